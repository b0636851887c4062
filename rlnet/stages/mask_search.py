"""Stage 2: which ReLUs the student keeps (RLNet Sec. 2.4.2, after SENet, Kundu et al. 2023).

1. A sensitivity vector splits the budget over the sites, exactly. 2. Every site starts with a random mask of its count. 3. The
student, which starts from the teacher's weights, trains on Eq. 6; at the end of each epoch every site keeps its ReLUs where
|AR - PR|, the difference of the post-ReLU maps summed over the epoch's clean images, is largest. 4. Until the masks settle.
"""

from typing import Any

import torch
from torch import Tensor

from masks import (
    Masks,
    count_kept,
    exact_topk,
    get_masks,
    linearize,
    magnitude_sensitivity,
    mask_change,
    normalised_hamming,
    random_mask,
    save_masks,
    waterfill,
)
from rlnet.card import provenance, relu_counts
from rlnet.config import Config, plain
from rlnet.models import ModeNetwork, frozen
from rlnet.seeds import seed_of
from rlnet.stages import teacher as teacher_stage
from rlnet.stages.experiment import Experiment
from rlnet.trained import from_content, to_content
from rlnet.training import distributed
from rlnet.training.distillation import StudentObjective
from rlnet.training.loop import fit


class SearchObjective(StudentObjective):
    """Eq. 6, while the masks follow the activation differences.

    counts: r_l by site. score, settle: as in `rlnet.config.SearchConfig`.
    """

    def __init__(self, *args: Any, counts: dict[str, int], score: str, settle: float):
        super().__init__(*args, beta=0.0)
        self.counts, self.settle = counts, settle
        self.watches_inputs = score == "linearized"
        self.differences = {name: torch.zeros_like(mask, dtype=torch.float32) for name, mask in self.masks.items()}

    @property
    def masks(self) -> Masks:
        return get_masks(self.network)

    @torch.no_grad()
    def see(self, student: dict[str, Tensor], teacher: dict[str, Tensor]) -> None:
        """Adds |AR - PR|, summed over the batch, site by site; with the score linearized, PR is taken before its ReLU."""
        for name, difference in self.differences.items():
            difference += (student[name].detach().float() - teacher[name].float()).abs().sum(dim=0)

    def end_epoch(self) -> dict[str, float]:
        """Each site keeps the top r_l of its accumulated differences; all ranks see the sum of all ranks'."""
        old = self.masks
        for name, difference in self.differences.items():
            distributed.sum_over_ranks(difference)
            linearize(self.network, {name: exact_topk(difference, self.counts[name])})
            difference.zero_()
        new = self.masks
        assert count_kept(new) == sum(self.counts.values())
        change = mask_change(old, new)
        self.settled = change < self.settle
        return {"mask_change": change, "normalised_hamming": normalised_hamming(old, new)}

    def state(self) -> dict[str, Any]:
        return {"masks": self.masks, "settled": self.settled}

    def load_state(self, state: dict[str, Any]) -> None:
        linearize(self.network, state["masks"])
        self.settled = state["settled"]


def allocate(experiment: Experiment, teacher: ModeNetwork) -> dict[str, int]:
    """r_l: how many ReLUs each site keeps; their sum is the budget."""
    sites, sensitivity = experiment.sites, experiment.published_sensitivity
    if sensitivity is None:
        example = experiment.facts.example.to(experiment.compute.device)
        found = magnitude_sensitivity(teacher, example, experiment.config.search.density)
        sensitivity = [found[name] for name in sites]
    return dict(zip(sites, waterfill(sensitivity, experiment.capacities, experiment.budget), strict=True))


def random_masks(experiment: Experiment, counts: dict[str, int]) -> Masks:
    """Masks of the counts in random places, drawn by the seed."""
    generator = torch.Generator().manual_seed(seed_of(experiment.config.seed, experiment.budget))
    return {name: random_mask(experiment.sites[name], count, generator) for name, count in counts.items()}


def run(experiment: Experiment) -> tuple[ModeNetwork, ModeNetwork, dict]:
    """The partial-ReLU student as the search leaves it, its teacher and the teacher's card; runs whatever is missing."""
    teacher, teacher_card = teacher_stage.run(experiment)
    folder, compute = experiment.masks_folder, experiment.compute
    folder.open()
    if not folder.complete:
        student = experiment.new_network(experiment.config.seed + 1)
        if not experiment.config.search.from_scratch:
            student.load_state_dict(teacher.state_dict())
        if experiment.imported_masks is None:
            counts = allocate(experiment, teacher)
            linearize(student, random_masks(experiment, counts))
            _search(experiment, student.to(compute.device, memory_format=torch.channels_last), teacher, counts)
        else:
            linearize(student, experiment.imported_masks)
            folder.save_best({**to_content(student, experiment.facts), "epoch": 0})
    student, _ = from_content(folder.load_best(compute.device), folder.path / "best.pt")
    student = student.to(compute.device)
    masks = get_masks(student)
    assert count_kept(masks) == experiment.budget
    if not folder.complete:
        if distributed.rank() == 0:
            name = experiment.config.network.name
            save_masks(folder.path / "masks.json", masks, network=name, input_shape=experiment.facts.image_shape)
        folder.write_card(_card(experiment, masks))
    return student, teacher, teacher_card


def _search(experiment: Experiment, student: ModeNetwork, teacher: ModeNetwork, counts: dict[str, int]) -> None:
    config = experiment.config
    objective = SearchObjective(
        student,
        teacher,
        experiment.views,
        config.distillation,
        counts=counts,
        score=config.search.score,
        settle=config.search.settle,
    )
    with frozen(teacher, "normal", experiment.compute.dtype):
        fit(
            objective,
            experiment.batches(config.search),
            config.search,
            experiment.masks_folder,
            experiment.compute,
            validate=lambda: experiment.validate(student),
            describe=lambda: to_content(student, experiment.facts),
            keep="last",
            tensorboard=config.tensorboard,
        )


def _card(experiment: Experiment, masks: Masks) -> dict:
    folder = experiment.masks_folder
    history = folder.read_metrics() if (folder.path / "metrics.jsonl").exists() else []
    return {
        "kind": "masks",
        "dataset": experiment.facts.dataset,
        "data": experiment.data.about,
        "network": plain(experiment.config.network),
        "relu": {"budget": experiment.budget, **relu_counts(masks)},
        "mask_change": [metrics["mask_change"] for metrics in history],
        **provenance(experiment.config.seed, experiment.compute.device),
        "precision": experiment.compute.precision,
        "seconds": {"training": round(sum(metrics["seconds"] for metrics in history), 1)},
    }


def search(config: Config) -> Masks:
    """Stages 1 and 2 of an experiment: the masks, bool (C, H, W) by site. Stages that are complete are reused."""
    experiment = Experiment(config)
    with experiment.owned(experiment.teacher_folder, experiment.masks_folder):
        masks = get_masks(run(experiment)[0])
    if distributed.rank() == 0:
        print(f"{experiment.masks_folder.path}/masks.json keeps {experiment.budget:,} of {sum(experiment.capacities):,} ReLUs")
    return masks
