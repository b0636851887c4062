"""A whole architecture search, from nothing to a specification and its card.

1. What the method needs is trained, once for all limits (`rlnet.nas.supernet`). 2. The method judges networks on held-out
images (`rlnet.nas.methods`). 3. The best is left as spec.json, with a card, a table of all that was judged, and pictures of
the search.
"""

import time
from typing import Any

from matplotlib.figure import Figure

from rlnet.card import provenance
from rlnet.figures import write_figure
from rlnet.nas import network_picture, picture
from rlnet.nas.config import NasConfig
from rlnet.nas.experiment import NasExperiment
from rlnet.nas.judged_table import write_judged
from rlnet.nas.limits import Limits
from rlnet.nas.methods import METHODS, Findings, experiment_of
from rlnet.nas.search import Judged, front
from rlnet.training import distributed
from rlnet.training.folder import owned


def search_network(config: NasConfig) -> dict[str, Any]:
    """The card of a search; stages that are complete are reused, one that was interrupted goes on."""
    experiment = experiment_of(config)
    with owned(experiment.folders):
        return _found(experiment)


def _found(experiment: NasExperiment) -> dict[str, Any]:
    """The card of a search whose folders are this process's."""
    config, folder = experiment.config, experiment.folder
    folder.open()
    if not folder.complete:
        started = time.monotonic()
        findings = METHODS[experiment.method](experiment)
        if distributed.rank() == 0:
            judged = findings.judged
            judged[0].spec.save(folder.path / "spec.json")
            write_judged(judged, experiment.limits, folder.path / "judged.csv")
            title = f"{config.family}, {experiment.space_name}: {len(judged)} networks judged"
            pictures = {
                "search.png": lambda: picture.search_figure(judged, experiment.limits.relus, title),
                "network.png": lambda: _network_figure(experiment, judged[0]),
                **findings.pictures,
            }
            for name, figure in pictures.items():
                write_figure(figure(), folder.path / name)
        folder.write_card(_card(experiment, findings, time.monotonic() - started))
    card = folder.read_card()
    if distributed.rank() == 0:
        found, n, weights = card["found"], card["search"]["validation_images"], card["search"]["weights"]
        latency = f", {found['cost']['latency_ms']:,.0f} ms predicted" if "latency_ms" in found["cost"] else ""
        print(
            f"{folder.path}/spec.json: {found['cost']['relus']:,} ReLUs, {found['cost']['macs']:,} multiply-accumulates, "
            f"{found['cost']['parameters']:,} parameters{latency}; {found['accuracy']['clean']:.1%} clean and "
            f"{found['accuracy']['adversarial']:.1%} adversarial accuracy on {n} held-out images, {weights}"
        )
    return card


def _network_figure(experiment: NasExperiment, found: Judged) -> Figure:
    cost = found.cost
    title = f"{experiment.config.family}, {experiment.space_name}: {cost.relus:,} ReLUs in {len(cost.sites)} sites"
    counts = f"{cost.macs:,} multiply-accumulates, {cost.parameters:,} parameters"
    return network_picture.network_figure(found.spec, cost, f"{title}\n{counts}")


def _card(experiment: NasExperiment, findings: Findings, seconds: float) -> dict[str, Any]:
    config, limits, space, judged = experiment.config, experiment.limits, experiment.space, findings.judged
    trained = {folder.stage: folder.read_card() for folder in findings.trained}
    return {
        "kind": "nas",
        "family": config.family,
        "space": experiment.settings(("space",))["space"],
        "dataset": experiment.data.name,
        "data": experiment.data.about,
        "limits": limits.given,
        "found": {"specification": judged[0].spec.plain(), **_outcome(judged[0], limits)},
        "smallest": limits.quantities(limits.cost(space.smallest)),
        "largest": limits.quantities(limits.cost(space.largest)),
        **({} if limits.latency_model is None else {"latency_model": limits.latency_model.plain()}),
        "search": {
            "method": experiment.method,
            "weights": findings.weights,
            **findings.about,
            "judged": len(judged),
            "validation_images": len(experiment.validation),
            "front": [_outcome(one, limits) for one in front(judged, lambda one: one.score)],
        },
        "trained": {name: card["validation"] for name, card in trained.items()},
        **provenance(config.seed, experiment.compute.device),
        "precision": experiment.compute.precision,
        "seconds": {**{name: card["seconds"]["training"] for name, card in trained.items()}, "all": round(seconds, 1)},
    }


def _outcome(one: Judged, limits: Limits) -> dict[str, Any]:
    accuracy = {"clean": one.clean, "adversarial": one.adversarial}
    return {"cost": limits.quantities(one.cost), "accuracy": accuracy, "generation": one.generation}
