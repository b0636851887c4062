"""From the inferences of a subject to what its card is built from: layers, repeats, offline, and whether the answers are
right."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pi_bench.cost import OFFLINE_WAYS, Cost
from pi_bench.inputs import Images
from pi_bench.measure import Measured
from pi_bench.model.operations import Architecture, ReLU
from pi_bench.parties.inference import Inference
from pi_bench.protocols.calibration import SAFETY
from pi_bench.protocols.layer import Layer
from pi_bench.protocols.registry import PROTOCOLS
from pi_bench.protocols.settings import Settings
from pi_bench.protocols.shares.audit import out_of_range, wraps
from pi_bench.wire.network import Network

PARTIES = ("server", "client")


def layers(run: Sequence[Layer], costs: Mapping[str, Cost], inference: Inference) -> list[dict[str, Any]]:
    """What each layer sent online in an inference, beside what the formulas say."""
    server, client = (inference.records[role]["online"] for role in PARTIES)
    assert server["layers"] == client["layers"] == list(costs)
    found = []
    for index, (layer, cost) in enumerate(zip(run, costs.values(), strict=True)):
        relus = [operation for operation in layer.operations if isinstance(operation, ReLU)]
        found.append(
            {
                "name": layer.name,
                "op": layer.operations[0].op,
                "relu_kept": sum(relu.kept for relu in relus),
                "relu_total": sum(relu.size for relu in relus),
                "rounds": client["rounds"][index],
                "server_bytes": server["sent_bytes"]["client"][index],
                "client_bytes": client["sent_bytes"]["server"][index],
                "serial_bytes": cost.serial_bytes,
                "predicted": {
                    "rounds": cost.rounds,
                    "server_bytes": cost.server_bytes,
                    "client_bytes": cost.client_bytes,
                },
            }
        )
    return found


def sites(architecture: Architecture) -> dict[str, dict[str, int]]:
    """ReLUs per image, by site."""
    return {relu.name: {"total": relu.size, "kept": relu.kept} for relu in architecture.relus}


def repeats(inferences: Sequence[Inference]) -> list[dict[str, Any]]:
    """The times of both parties, by layer."""
    times = ("layers_ms", "waiting_ms")
    return [
        {party: {key: inference.records[party]["online"][key] for key in times} for party in PARTIES}
        for inference in inferences
    ]


def offline(inferences: Sequence[Inference], costs: Mapping[str, Cost]) -> dict[str, Any]:
    """What every inference takes before its input: seconds of each role for each repeat, bytes by direction, beside what the
    formulas say, and what a party holds until it is used."""
    last, total = inferences[-1].records, sum(costs.values(), Cost())
    sent = {way: 0 for way in OFFLINE_WAYS}
    for role, record in last.items():
        for peer, counts in record["offline"]["sent_bytes"].items():
            if f"{role}_to_{peer}" in sent:
                sent[f"{role}_to_{peer}"] = sum(counts)
    return {
        "seconds": {role: [inference.records[role]["offline"]["seconds"] for inference in inferences] for role in last},
        "bytes": sent,
        "predicted": total.offline,
        "held_bytes": {
            party: sum(last[party]["offline"][where] for where in ("memory_bytes", "disk_bytes")) for party in PARTIES
        },
        "peak_bytes": {role: record["offline"]["peak_bytes"] for role, record in last.items()},
    }


def correctness(
    checks: Sequence[Inference],
    plain_logits: np.ndarray | None,
    given: Images,
    expected_wraps: float | None,
    limits: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The secure logits of the given images, which the checks are of in order, beside the plain ones.

    A match is the same class; without plain logits (a client alone has none) nothing can match. Wraps and values out of range
    need the notes of both parties, which the benchmark has and a client alone has not. limits: by site, from which magnitude
    on a value is out of its comparison's range.
    """
    images, labels = len(given), given.labels
    logits = np.concatenate([check.logits for check in checks])[:images]
    predicted = logits.argmax(1)
    noted = all("notes" in check.records[party] for check in checks for party in PARTIES)
    wrapped = _wrapped(checks, images) if noted else []
    error = None if plain_logits is None else np.abs(logits - plain_logits)
    return {
        "images": images,
        "images_sha256": given.sha256,
        "matches": None if plain_logits is None else int((predicted == plain_logits.argmax(1)).sum()),
        "correct": None if labels is None else int((predicted == labels).sum()),
        "plain_correct": None if labels is None or plain_logits is None else int((plain_logits.argmax(1) == labels).sum()),
        "max_abs_logit_error": None if error is None else float(error.max()),
        "mean_abs_logit_error": None if error is None else float(error.mean()),
        "wraps": len(wrapped) if noted else None,
        "wrapped_images": len(set(wrapped)) if noted else None,
        "expected_wraps": expected_wraps,
        "out_of_range": _out_of_range(checks, limits or {}, images) if noted else None,
    }


def _out_of_range(checks: Sequence[Inference], limits: Mapping[str, int], images: int) -> int:
    """Values too large for their comparison, over all checks, of the images that count."""
    found, left = 0, images
    for check in checks:
        notes = (check.records[party]["notes"].get("values", {}) for party in PARTIES)
        found += out_of_range(*notes, limits, min(1.0, left / len(check.logits)))
        left -= len(check.logits)
    return found


def _wrapped(checks: Sequence[Inference], images: int) -> list[int]:
    """The image of each wrap, over all checks; the last batch may be filled up with images that do not count."""
    found, first = [], 0
    for check in checks:
        notes = (check.records[party]["notes"]["near"] for party in PARTIES)
        found += [first + image for image in wraps(*notes) if first + image < images]
        first += len(check.logits)
    return found


def _comparison(found: Mapping[str, tuple[int, int]], images: int | None) -> dict[str, Any] | None:
    """How many bits are compared by site, and by how many of the server's images they were chosen; None for all of a value."""
    if not found:
        return None
    return {"bits": {site: bits for site, (bits, _) in found.items()}, "calibration_images": images, "safety": SAFETY}


def result(
    settings: Settings,
    network: Network,
    setup_network: Network,
    architecture: Architecture,
    facts: Mapping[str, Any],
    measured: Measured,
    warmups: int,
    checked: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything a card is built from. facts: "model" and "parties", as the client has them; checked: from `correctness`."""
    protocol, inferences = PROTOCOLS[settings.protocol], measured.repeats[network.name]
    parties, costs = facts["parties"], protocol.costs(architecture, settings)
    records = [[inference.records[party]["online"] for inference in inferences] for party in PARTIES]
    assert all(record[key] == same[-1][key] for same in records for record in same for key in ("rounds", "sent_bytes"))
    return {
        **{name: value for name, value in settings.flags.items() if name != "comparison_bits"},
        "comparison": _comparison(protocol.comparisons(architecture, settings), facts["model"].get("calibration_images")),
        "network": asdict(network),
        "threads": parties["server"]["hardware"]["torch_threads"],
        "warmups": warmups,
        "repeats": repeats(inferences),
        "layers": layers(protocol.layers(architecture, settings), costs, inferences[-1]),
        "sites": sites(architecture),
        "offline": {**offline(inferences, costs), "ahead": measured.ahead},
        "setup": {
            "network": setup_network.name,
            "seconds": max(party["setup_s"] for party in parties.values()),
            **{f"{role}_bytes": parties.get(role, {"setup_bytes": 0})["setup_bytes"] for role in (*PARTIES, "dealer")},
        },
        "correctness": dict(checked),
        "parties": parties,
        "model": facts["model"],
        "trust": protocol.trust(settings.provider),
    }
