"""From the inferences of a subject to what its card is built from: layers, repeats, offline, and whether the answers are
right."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pi_bench.cost import Cost
from pi_bench.model.operations import Architecture, ReLU
from pi_bench.parties.inference import Inference
from pi_bench.parties.terms import Terms
from pi_bench.protocols import PROTOCOLS
from pi_bench.protocols.wraps import wraps
from pi_bench.wire.network import Network

PARTIES = ("server", "client")


def layers(architecture: Architecture, costs: Mapping[str, Cost], inference: Inference) -> list[dict[str, Any]]:
    """What each layer sent in an inference, beside what the formulas say."""
    operations = {operation.name: operation for operation in architecture.operations}
    server, client = (inference.records[role] for role in PARTIES)
    assert server["layers"] == client["layers"] == list(costs)
    found = []
    for index, (name, cost) in enumerate(costs.items()):
        operation = operations.get(name)
        relu = operation if isinstance(operation, ReLU) else None
        found.append(
            {
                "name": name,
                "op": name.capitalize() if operation is None else operation.op,
                "relu_kept": relu.kept if relu else 0,
                "relu_total": relu.size if relu else 0,
                "rounds": client["rounds"][index],
                "server_bytes": server["sent_bytes"][index],
                "client_bytes": client["sent_bytes"][index],
                "predicted": {
                    "rounds": cost.rounds,
                    "server_bytes": cost.server_bytes,
                    "client_bytes": cost.client_bytes,
                },
            }
        )
    return found


def repeats(inferences: Sequence[Inference]) -> list[dict[str, Any]]:
    """The times of both parties, by layer."""
    times = ("layers_ms", "waiting_ms")
    return [{party: {key: inference.records[party][key] for key in times} for party in PARTIES} for inference in inferences]


def offline(inferences: Sequence[Inference]) -> dict[str, Any]:
    """Seconds of the slower party for each repeat, and the dealer's bytes for one inference."""
    dealer = inferences[-1].records.get("dealer", {"server_bytes": 0, "client_bytes": 0})
    return {
        "seconds": [max(inference.records[party]["offline_s"] for party in PARTIES) for inference in inferences],
        "dealer_to_server_bytes": dealer["server_bytes"],
        "dealer_to_client_bytes": dealer["client_bytes"],
    }


def correctness(
    checks: Sequence[Inference],
    plain_logits: np.ndarray | None,
    labels: np.ndarray | None,
    images: int,
    expected_wraps: float | None,
) -> dict[str, Any]:
    """The secure logits of the first `images` images beside the plain ones.

    A match is the same class; without plain logits (a client alone has none) nothing can match. Wraps need the notes of both
    parties, which the benchmark has and a client alone has not.
    """
    logits = np.concatenate([check.logits for check in checks])[:images]
    predicted = logits.argmax(1)
    noted = all("notes" in check.records[party] for check in checks for party in PARTIES)
    wrapped = _wrapped(checks, images) if noted else []
    error = None if plain_logits is None else np.abs(logits - plain_logits)
    return {
        "images": images,
        "matches": None if plain_logits is None else int((predicted == plain_logits.argmax(1)).sum()),
        "correct": None if labels is None else int((predicted == labels).sum()),
        "plain_correct": None if labels is None or plain_logits is None else int((plain_logits.argmax(1) == labels).sum()),
        "max_abs_logit_error": None if error is None else float(error.max()),
        "mean_abs_logit_error": None if error is None else float(error.mean()),
        "wraps": len(wrapped) if noted else None,
        "wrapped_images": len(set(wrapped)) if noted else None,
        "expected_wraps": expected_wraps,
    }


def _wrapped(checks: Sequence[Inference], images: int) -> list[int]:
    """The image of each wrap, over all checks; the last batch may be filled up with images that do not count."""
    found, first = [], 0
    for check in checks:
        notes = (check.records[party]["notes"] for party in PARTIES)
        found += [first + image for image in wraps(*notes) if first + image < images]
        first += len(check.logits)
    return found


def result(
    terms: Terms,
    network: Network,
    setup_network: Network,
    architecture: Architecture,
    facts: Mapping[str, Any],
    inferences: Sequence[Inference],
    warmups: int,
    checked: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything a card is built from. facts: "model" and "parties", as the client has them; checked: from `correctness`."""
    protocol = PROTOCOLS[terms.protocol]
    parties = facts["parties"]
    for key in ("rounds", "sent_bytes"):
        assert all(found.records[party][key] == inferences[-1].records[party][key] for found in inferences for party in PARTIES)
    return {
        **{name: getattr(terms, name) for name in ("protocol", "provider", "precision_bits", "batch")},
        "network": asdict(network),
        "threads": parties["server"]["hardware"]["torch_threads"],
        "warmups": warmups,
        "repeats": repeats(inferences),
        "layers": layers(architecture, protocol.costs(architecture, terms.batch), inferences[-1]),
        "offline": offline(inferences),
        "setup": {
            "network": setup_network.name,
            "seconds": max(party["setup_s"] for party in parties.values()),
            **{f"{role}_bytes": parties.get(role, {"setup_bytes": 0})["setup_bytes"] for role in (*PARTIES, "dealer")},
        },
        "correctness": dict(checked),
        "parties": parties,
        "model": facts["model"],
        "trust": protocol.trust(terms.provider),
    }
