"""Searches a robust network under a limit of ReLUs, multiply-accumulates or parameters.

    python -m rlnet.nas --family proard --max-relus 100k
    python -m rlnet.finetune --network runs/digits/nas-proard-100k/spec.json --relu-budget 20k

1. A supernet is trained, once for all limits (`rlnet.nas.supernet`). 2. An evolution judges its sub-networks on held-out images
(`rlnet.nas.search`). 3. The best is left as spec.json, with a card and a picture of the search.
"""

import sys
import time
from typing import Any

from rlnet.card import provenance
from rlnet.cli import command
from rlnet.evaluation.journal import Journal
from rlnet.models import ModeNetwork
from rlnet.models.specification import Specification
from rlnet.nas import supernet as supernet_stage
from rlnet.nas.config import NasConfig
from rlnet.nas.cost import Cost
from rlnet.nas.experiment import NasExperiment
from rlnet.nas.judge import Judge
from rlnet.nas.picture import draw
from rlnet.nas.search import Judged, evolve, front
from rlnet.progress import bar
from rlnet.training import distributed


def search_network(config: NasConfig) -> dict[str, Any]:
    """The card of a search; stages that are complete are reused, one that was interrupted goes on."""
    experiment = NasExperiment(config)
    folder = experiment.folder
    folder.open()
    if not folder.complete:
        supernet = supernet_stage.run(experiment)
        started = time.monotonic()
        judged = _search(experiment, supernet)
        if distributed.rank() == 0:
            judged[0].spec.save(folder.path / "spec.json")
            title = f"{config.family}, {experiment.space_name}: {len(judged)} networks judged"
            draw(judged, experiment.limits.relus, title, folder.path / "search.png")
        folder.write_card(_card(experiment, judged, time.monotonic() - started))
    card = folder.read_card()
    if distributed.rank() == 0:
        found, n = card["found"], card["search"]["validation_images"]
        print(
            f"{folder.path}/spec.json: {found['cost']['relus']:,} ReLUs, {found['cost']['macs']:,} multiply-accumulates, "
            f"{found['cost']['parameters']:,} parameters; {found['accuracy']['clean']:.1%} clean and "
            f"{found['accuracy']['adversarial']:.1%} adversarial accuracy on {n} held-out images, with the supernet's weights"
        )
    return card


def _search(experiment: NasExperiment, supernet: ModeNetwork) -> list[Judged]:
    """Evolution; the outcomes are kept beside the supernet, so that nothing is judged twice."""
    config, judge = experiment.config, Judge(experiment, supernet)
    total = config.evolution.population * config.evolution.generations
    with Journal(experiment.family_folder / "judged", distributed.rank()) as journal, bar("search", total) as progress:
        distributed.barrier()  # all ranks know the same outcomes, and judge together what these lack

        def remembered(spec: Specification) -> dict[str, float]:
            return judge.remembered(spec, journal)

        return evolve(experiment.space, experiment.limits, config.evolution, remembered, config.seed, progress)


def _card(experiment: NasExperiment, judged: list[Judged], seconds: float) -> dict[str, Any]:
    config, limits, space = experiment.config, experiment.limits, experiment.space
    trained = {folder.stage: folder.read_card() for folder in (experiment.largest_folder, experiment.supernet_folder)}
    settings = experiment.settings(("space", "evolution"))
    return {
        "kind": "nas",
        "family": config.family,
        "space": settings["space"],
        "dataset": experiment.data.name,
        "limits": limits.given,
        "found": {"specification": judged[0].spec.plain(), **_outcome(judged[0])},
        "smallest": _plain_cost(limits.cost(space.smallest)),
        "largest": _plain_cost(limits.cost(space.largest)),
        "search": {
            "method": "evolution",
            **settings["evolution"],
            "judged": len(judged),
            "validation_images": len(experiment.validation),
            "front": [_outcome(one) for one in front(judged, lambda one: one.score)],
        },
        "supernet": {"sampling": experiment.sampling, **{name: card["validation"] for name, card in trained.items()}},
        **provenance(config.seed, experiment.compute.device),
        "precision": experiment.compute.precision,
        "seconds": {**{name: card["seconds"]["training"] for name, card in trained.items()}, "search": round(seconds, 1)},
    }


def _outcome(one: Judged) -> dict[str, Any]:
    accuracy = {"clean": one.clean, "adversarial": one.adversarial}
    return {"cost": _plain_cost(one.cost), "accuracy": accuracy, "generation": one.generation}


def _plain_cost(cost: Cost) -> dict[str, int]:
    return {name: getattr(cost, name) for name in ("relus", "comparisons", "macs", "parameters")}


def main(arguments: list[str] | None = None) -> int:
    return command(search_network, NasConfig, arguments)


if __name__ == "__main__":
    sys.exit(main())
