"""Searches a robust network under a limit of ReLUs, multiply-accumulates or parameters.

    python -m rlnet.nas --family proard --max-relus 100k
    python -m rlnet.finetune --network runs/digits/nas-proard-100k/spec.json --relu-budget 20k

1. What the method needs is trained, once for all limits (`rlnet.nas.supernet`). 2. The method judges networks on held-out
images (`rlnet.nas.methods`). 3. The best is left as spec.json, with a card and pictures of the search.
"""

import sys
import time
from typing import Any

from rlnet.card import provenance
from rlnet.cli import command
from rlnet.nas.config import NasConfig
from rlnet.nas.cost import Cost
from rlnet.nas.experiment import NasExperiment
from rlnet.nas.methods import METHODS, Findings
from rlnet.nas.picture import draw, write
from rlnet.nas.search import Judged, front
from rlnet.training import distributed


def search_network(config: NasConfig) -> dict[str, Any]:
    """The card of a search; stages that are complete are reused, one that was interrupted goes on."""
    experiment = NasExperiment(config)
    folder = experiment.folder
    folder.open()
    if not folder.complete:
        started = time.monotonic()
        findings = METHODS[experiment.method](experiment)
        if distributed.rank() == 0:
            judged = findings.judged
            judged[0].spec.save(folder.path / "spec.json")
            title = f"{config.family}, {experiment.space_name}: {len(judged)} networks judged"
            draw(judged, experiment.limits.relus, title, folder.path / "search.png")
            for name, figure in findings.pictures.items():
                write(figure(), folder.path / name)
        folder.write_card(_card(experiment, findings, time.monotonic() - started))
    card = folder.read_card()
    if distributed.rank() == 0:
        found, n = card["found"], card["search"]["validation_images"]
        weights = card["search"].get("weights", "")
        print(
            f"{folder.path}/spec.json: {found['cost']['relus']:,} ReLUs, {found['cost']['macs']:,} multiply-accumulates, "
            f"{found['cost']['parameters']:,} parameters; {found['accuracy']['clean']:.1%} clean and "
            f"{found['accuracy']['adversarial']:.1%} adversarial accuracy on {n} held-out images, {weights}"
        )
    return card


def _card(experiment: NasExperiment, findings: Findings, seconds: float) -> dict[str, Any]:
    config, limits, space, judged = experiment.config, experiment.limits, experiment.space, findings.judged
    trained = {folder.stage: folder.read_card() for folder in findings.trained}
    return {
        "kind": "nas",
        "family": config.family,
        "space": experiment.settings(("space",))["space"],
        "dataset": experiment.data.name,
        "limits": limits.given,
        "found": {"specification": judged[0].spec.plain(), **_outcome(judged[0])},
        "smallest": _plain_cost(limits.cost(space.smallest)),
        "largest": _plain_cost(limits.cost(space.largest)),
        "search": {
            "method": experiment.method,
            "weights": findings.weights,
            **findings.about,
            "judged": len(judged),
            "validation_images": len(experiment.validation),
            "front": [_outcome(one) for one in front(judged, lambda one: one.score)],
        },
        "trained": {name: card["validation"] for name, card in trained.items()},
        **provenance(config.seed, experiment.compute.device),
        "precision": experiment.compute.precision,
        "seconds": {**{name: card["seconds"]["training"] for name, card in trained.items()}, "all": round(seconds, 1)},
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
