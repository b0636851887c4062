"""The card of a secure run: what was measured, what was predicted, how to get it again, and on what it was made.

Bytes are one-way. Online `bytes_per_party` are those that the party sends which sends more in all, in every layer the same one,
so that the layers sum to the total; both parties' are under "bytes". Offline they are those that the party receives which
receives more, and every direction's are under "bytes". Times are of the slower party of a repeat.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pi_bench.cost import Cost, most_received, predicted_ms
from pi_bench.results.card_file import problem, read, write
from pi_bench.results.series import with_fits
from pi_bench.results.statistics import median, median_ci95, p90, wilson_ci95
from pi_bench.wire.network import PROFILES, REAL, Network
from shell.commit import commit

__all__ = ["build", "read", "with_fits", "write"]

PARTIES = ("server", "client")


def build(result: Mapping[str, Any], command: str, started: datetime | None = None) -> dict[str, Any]:
    """The card of one run from what its parties reported.

    command: what the user typed. started: when the run began; cards of one run share it, which says that their repeats were
    interleaved. Raises ValueError for a run without repeats.
    """
    if not result["repeats"]:
        raise ValueError("a run without counted repeats has no latency; ask for at least 1 repeat")
    layers = _layers(result)
    totals = {party: sum(layer["bytes"][party] for layer in layers) for party in PARTIES}
    online = _online(result, layers, totals)
    model = dict(result["model"])
    card = {
        "kind": "secure-inference",
        "macs": model.pop("macs"),
        "model": model,
        **{key: result[key] for key in ("protocol", "provider", "precision_bits", "batch", "threads", "warmups", "trust")},
        "comparison": result["comparison"],
        "network": dict(result["network"]),
        "relu": _relus(result["sites"]),
        "online": online,
        "prediction": _predictions(result, online),
        "offline": _offline(result["offline"]),
        "setup": _setup(result["setup"]),
        "correctness": _correctness(result["correctness"]),
        "fit": None,
        "layers": layers,
        "parties": _parties(result["parties"]),
        "versions": result["parties"]["server"]["versions"],
        "hardware": result["parties"]["server"]["hardware"],
        "command": command,
        "date": (started or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
    }
    assert problem(card) is None, problem(card)
    return card


def latencies(repeats: Sequence[Mapping[str, Any]]) -> list[tuple[float, str]]:
    """(milliseconds, party) of the slower party of each repeat."""
    return [max((sum(repeat[party]["layers_ms"]), party) for party in PARTIES) for repeat in repeats]


def _central(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The repeat whose latency is the median; the two central ones where n is even."""
    found = latencies(result["repeats"])
    order = sorted(range(len(found)), key=lambda i: found[i])
    middle = order[(len(order) - 1) // 2 : len(order) // 2 + 1]
    return [result["repeats"][i] for i in middle]


def _layers(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    central = _central(result)
    sent = {party: sum(layer[f"{party}_bytes"] for layer in result["layers"]) for party in PARTIES}
    more = max(PARTIES, key=lambda party: sent[party])
    timelines = [_timeline_ms(repeat) for repeat in central]
    assert all(len(timeline) == len(result["layers"]) for timeline in timelines)
    timed = all("waiting_ms" in repeat[party] for repeat in central for party in PARTIES)
    layers = []
    for i, layer in enumerate(result["layers"]):
        ms = sum(timeline[i] for timeline in timelines) / len(central)
        computing_ms = sum(_computing_ms(repeat, i) for repeat in central) / len(central) if timed else None
        layers.append(
            {
                "name": layer["name"],
                "op": layer["op"],
                "relu_kept": layer["relu_kept"] or 0,
                "relu_total": layer["relu_total"] or 0,
                "rounds": layer["rounds"],
                "bytes_per_party": layer[f"{more}_bytes"],
                "bytes": {party: layer[f"{party}_bytes"] for party in PARTIES},
                "serial_bytes": layer["serial_bytes"],
                "ms": ms,
                "compute_ms": computing_ms,
                "predicted": dict(layer["predicted"]),
            }
        )
    return layers


def _timeline_ms(repeat: Mapping[str, Any]) -> list[float]:
    """By layer, what adds up to the repeat's latency: the server's time, for the last layer until both parties are done.

    The client runs ahead of the server in what it need not wait for, so its own times would say less of the layers.
    """
    server = repeat["server"]["layers_ms"][:-1]
    return [*server, max(sum(repeat[party]["layers_ms"]) for party in PARTIES) - sum(server)]


def _computing_ms(repeat: Mapping[str, Any], layer: int) -> float:
    """What a layer takes without waiting, for the network or for the other party: that of the party that computes longer.

    In a layer they compute at the same time, or one does and the other waits.
    """
    return max(repeat[party]["layers_ms"][layer] - repeat[party]["waiting_ms"][layer] for party in PARTIES)


def _relus(sites: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """ReLUs per image: of the whole network and by site."""
    totals = {key: sum(site[key] for site in sites.values()) for key in ("total", "kept")}
    return {**totals, "sites": {name: dict(site) for name, site in sites.items()}}


def _online(result: Mapping[str, Any], layers: list[dict[str, Any]], totals: dict[str, int]) -> dict[str, Any]:
    repeats_ms = [ms for ms, _ in latencies(result["repeats"])]
    middle = median(repeats_ms)
    bytes_per_party = max(totals.values())
    assert math.isclose(sum(layer["ms"] for layer in layers), middle, rel_tol=1e-9, abs_tol=1e-9)
    assert sum(layer["bytes_per_party"] for layer in layers) == bytes_per_party
    predicted = [layer["predicted"] for layer in layers]
    computed = [layer["compute_ms"] for layer in layers]
    return {
        "latency_ms": {
            "median": middle,
            "p90": p90(repeats_ms),
            "ci95": list(median_ci95(repeats_ms)),
            "n": len(repeats_ms),
        },
        "repeats_ms": repeats_ms,
        "compute_ms": None if None in computed else sum(computed),
        "rounds": sum(layer["rounds"] for layer in layers),
        "bytes_per_party": bytes_per_party,
        "bytes": totals,
        "predicted": {
            "rounds": sum(cost["rounds"] for cost in predicted),
            "bytes": {party: sum(cost[f"{party}_bytes"] for cost in predicted) for party in PARTIES},
        },
    }


def _predictions(result: Mapping[str, Any], online: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """By network: what the formulas say of this run there; beside it what was measured, if it was."""
    here = Network(**result["network"])
    costs = [Cost(**layer["predicted"], serial_bytes=layer["serial_bytes"]) for layer in result["layers"]]
    found = {}
    networks = {**PROFILES, here.name: here}
    del networks[REAL.name]  # nobody knows its delay and bandwidth
    for name, network in networks.items():
        parts = predicted_ms(costs, network, online["compute_ms"] or 0.0)
        known = online["compute_ms"] is not None
        found[name] = {
            **asdict(parts),
            "compute_ms": online["compute_ms"],
            "total_ms": parts.total_ms if known else None,
            "measured_ms": online["latency_ms"]["median"] if name == here.name else None,
        }
    return found


def _offline(offline: Mapping[str, Any]) -> dict[str, Any]:
    """Per inference, before its input is known."""
    by_role = offline["seconds"]
    slower = [max(seconds) for seconds in zip(*(by_role[party] for party in PARTIES), strict=True)]
    return {
        "seconds": median(slower),
        "seconds_ci95": list(median_ci95(slower)),
        "seconds_by_role": {role: median(seconds) for role, seconds in by_role.items()},
        "bytes_per_party": most_received(offline["bytes"]),
        "bytes": dict(offline["bytes"]),
        "predicted": dict(offline["predicted"]),
        "held_bytes": dict(offline["held_bytes"]),
        "peak_bytes": dict(offline["peak_bytes"]),
        "ahead": offline["ahead"],
    }


def _setup(setup: Mapping[str, Any]) -> dict[str, Any]:
    """Once per model: seconds, the network they were taken on, and bytes by who sends them."""
    sent = {role: setup[f"{role}_bytes"] for role in (*PARTIES, "dealer")}
    return {"seconds": setup["seconds"], "network": setup["network"], "bytes": sent}


def _correctness(found: Mapping[str, Any]) -> dict[str, Any]:
    """Rates with their intervals; None is what this run could not know."""
    images = found["images"]
    match, right = (_rate(found[key], images) for key in ("matches", "correct"))
    accuracy = None if right is None else {"encrypted": right[0], "ci95": right[1], "plain": None}
    if accuracy is not None and found["plain_correct"] is not None:
        accuracy["plain"] = found["plain_correct"] / images
    kept = ("max_abs_logit_error", "mean_abs_logit_error", "wraps", "wrapped_images", "expected_wraps", "out_of_range")
    return {
        "images": images,
        "images_sha256": found["images_sha256"],
        "match_rate": None if match is None else match[0],
        "match_ci95": None if match is None else match[1],
        "accuracy": accuracy,
        **{key: found[key] for key in kept},
    }


def _rate(count: int | None, n: int) -> tuple[float, list[float]] | None:
    return None if count is None else (count / n, list(wilson_ci95(count, n)))


def _parties(parties: Mapping[str, Any]) -> dict[str, Any]:
    """Who took part. Machines are numbered, for a card is published and a host's name is nobody's business."""
    hosts = list(dict.fromkeys(party["host"] for party in parties.values()))
    return {
        role: {
            "machine": hosts.index(party["host"]) + 1,
            "hardware": party["hardware"],
            "versions": party["versions"],
        }
        for role, party in parties.items()
    }
