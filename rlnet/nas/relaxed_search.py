"""RNAS-CL's search: weights, widths and tutors of one network learn in turns (Nath et al. 2024, Sec. 3.2-3.4, Eq. 2).

1. Widths (`gumbel`) and tutors are Gumbel-softmaxes of logits, at a temperature that falls from step to step. 2. The first 80%
of an epoch's steps learn the weights, the others the logits, by the same loss of other images (the paper divides batches so).
3. At the end the largest logits decide, where the paper's code draws once more. Images are clean: robustness is the teacher's.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlnet.data.batches import Batch
from rlnet.nas.expected_cost import CostFactor
from rlnet.nas.guidance import Guided, Teacher, chosen_tutors, one_hot
from rlnet.nas.gumbel import gated, gumbel_noise, gumbel_softmax, temperature
from rlnet.nas.limits import Limits
from rlnet.nas.rnas_cl import InvertedResidualSpace
from rlnet.nas.search import repaired
from rlnet.nas.space import Genes
from rlnet.nas.tutor_config import TutorConfig
from rlnet.nas.watched_layers import student_units, watched_units
from rlnet.training import distributed
from rlnet.training.objective import Objective
from rlnet.training.views import ViewMaker

REPAIRS = 16  # ways to keep the limits, of which the likeliest is taken


class Choices(nn.Module):
    """The logits, all equal at first. widths: of each gene. tutors: (S, T), or none where tutors are not searched."""

    def __init__(self, genes: Genes, tutors: tuple[int, int] | None):
        super().__init__()
        self.widths = nn.ParameterList([nn.Parameter(torch.zeros(n)) for n in genes])
        self.tutors = None if tutors is None else nn.Parameter(torch.zeros(tutors))


def likeliest(widths: Sequence[Tensor]) -> Genes:
    """The genes of the largest logits, whatever they cost."""
    return tuple(int(logits.argmax()) for logits in widths)


def decided(widths: Sequence[Tensor], space: InvertedResidualSpace, limits: Limits, seed: int) -> Genes:
    """The likeliest genes, if they keep the limits; else the likeliest of some that were repaired."""
    found = {repaired(space, limits, likeliest(widths), Random(f"{seed} repair {i}")) for i in range(REPAIRS)}
    logs = [logits.log_softmax(0) for logits in widths]
    return max(sorted(found), key=lambda genes: sum(float(row[gene]) for row, gene in zip(logs, genes, strict=True)))


class RelaxedObjective(Objective):
    r"""L = (CE(p, y) + KL(p, q) + gamma L_Attn) n_f(G)^pressure (Eq. 2).

    network: the space's largest one. teacher: frozen by the caller for as long as the objective is in use. steps: of an epoch,
    2 or more.
    """

    def __init__(
        self,
        network: nn.Module,
        teacher: Teacher,
        config: TutorConfig,
        space: InvertedResidualSpace,
        limits: Limits,
        views: ViewMaker,
        steps: int,
    ):
        self.network, self.config, self.views, self.steps = network, config, views, steps
        self.space, self.seed = space, views.seed
        self.gated, self.guided = gated(network, space), Guided(config, teacher)
        self.units, self.cost_factor = student_units(network), CostFactor(space, limits)
        shape = (len(self.units), len(teacher.layers))
        searched = self.guided.needs_maps and config.tutors == "searched"
        self.choices = Choices(space.choices, shape if searched else None).to(views.device)
        self.given = None
        if self.guided.needs_maps and not searched:
            self.given = chosen_tutors(config.tutors, *shape, self.seed)
        self.optimizer = torch.optim.Adam(self.choices.parameters(), lr=config.logit_lr)
        self.weights = {"ce": 1.0, **self.guided.weights}
        self.first_logit_step = max(1, steps - max(1, round(config.logit_share * steps)))
        self.turn, self.tau, self.layers = "weights", temperature(0), shape[1]

    def terms(self, batch: Batch, epoch: int, step: int) -> dict[str, Tensor]:
        # 1. Whose turn it is: only that side gets a gradient.
        self._take_turn("logits" if step >= self.first_logit_step else "weights")
        # 2. The mixtures of this step, the same on all ranks.
        self.tau = temperature((epoch + step / self.steps) / self.config.search.epochs)
        logits = [*self.choices.widths, *([] if self.choices.tutors is None else [self.choices.tutors])]
        noise = gumbel_noise([values.shape for values in logits], self.seed, epoch, step)
        pairs = zip(logits, noise, strict=True)
        mixtures = [gumbel_softmax(values, self.tau, drawn.to(values.device)) for values, drawn in pairs]
        widths = mixtures[: len(self.space.choices)]
        tutors = mixtures[-1] if self.choices.tutors is not None else self.fixed_tutors()
        self.gated.take(widths)
        # 3. The losses on clean images, times the cost factor.
        views, _, _ = self.views.clean_and_augmented(batch)
        x, labels = views.images["clean"], views.labels["clean"]
        with watched_units(self.units if self.guided.needs_maps else {}) as maps:
            predicted = self.network(x, mode="clean")
            terms = {"ce": F.cross_entropy(predicted.float(), labels), **self.guided.terms(x, predicted, maps(), tutors)}
        factor = self.cost_factor(widths) ** self.config.pressure
        return {name: value * factor for name, value in terms.items()}

    def _take_turn(self, turn: str) -> None:
        self.turn = turn
        self.network.requires_grad_(turn == "weights")
        self.choices.requires_grad_(turn == "logits")
        self.optimizer.zero_grad(set_to_none=True)

    def end_step(self) -> None:
        if self.turn == "logits":
            distributed.average_gradients(self.choices.parameters())
            self.optimizer.step()

    def end_epoch(self) -> dict[str, float]:
        likely = [logits.detach().softmax(0) for logits in self.choices.widths]
        expected = {f"expected_{name}": int(value) for name, value in self.cost_factor.quantities(likely).items()}
        sure = {"width_certainty": sum(float(p.max()) for p in likely) / len(likely)}
        if self.choices.tutors is not None:
            sure["tutor_certainty"] = float(self.choices.tutors.detach().softmax(1).max(dim=1).values.mean())
        return {"tau": self.tau, **sure, **expected}

    def state(self) -> dict[str, Any]:
        return {"choices": self.choices.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        self.choices.load_state_dict(state["choices"])
        self.optimizer.load_state_dict(state["optimizer"])

    def fixed_tutors(self) -> Tensor | None:
        """g (S, T) where tutors are not searched; None where there are none."""
        return None if self.given is None else one_hot(self.given, self.layers).to(self.views.device)

    def tutors(self) -> list[int] | None:
        """The layer that tutors each unit; None without tutors."""
        if self.choices.tutors is None:
            return self.given
        return self.choices.tutors.argmax(dim=1).tolist()
