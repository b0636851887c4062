"""Cards as files: written whole or not at all, and checked when they are read, for anybody may have edited one."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_bench.cost import OFFLINE_WAYS


@dataclass(frozen=True)
class OrNone:
    """None, or what `inner` says."""

    inner: Any


@dataclass(frozen=True)
class Since(OrNone):
    """The same of a key that older cards lack; it is None there."""


NUMBER = (int, float)
MAYBE = OrNone(NUMBER)
INTERVAL = [NUMBER, NUMBER]
BYTES = {"server": int, "client": int}
WAYS = dict.fromkeys(OFFLINE_WAYS, int)

# What each key holds: a type or types, a mapping of keys, {"*": ...} for a mapping with any names, [...] for a list of any
# length, [..., ...] for one of two.
KEYS: dict[str, Any] = {
    "kind": str,
    "model": {"path": str, "sha256": OrNone(str), "mode": Since(str), "architecture_digest": str, "parameters": int},
    "macs": int,
    "protocol": str,
    "provider": str,
    "trust": str,
    "precision_bits": int,
    "batch": int,
    "threads": int,
    "warmups": int,
    "comparison": Since({"bits": {"*": int}, "calibration_images": OrNone(int), "safety": int}),
    "network": {"name": str, "rtt_ms": MAYBE, "mbit_per_s": MAYBE, "emulated": bool},
    "relu": {"total": int, "kept": int, "sites": {"*": {"total": int, "kept": int}}},
    "online": {
        "latency_ms": {"median": NUMBER, "p90": NUMBER, "ci95": INTERVAL, "n": int},
        "repeats_ms": [NUMBER],
        "compute_ms": MAYBE,
        "rounds": int,
        "bytes_per_party": int,
        "bytes": BYTES,
        "predicted": {"rounds": int, "bytes": BYTES},
    },
    "prediction": {
        "*": {"compute_ms": MAYBE, "rounds_ms": NUMBER, "bytes_ms": NUMBER, "total_ms": MAYBE, "measured_ms": MAYBE},
    },
    "offline": {
        "seconds": NUMBER,
        "seconds_ci95": INTERVAL,
        "bytes_per_party": int,
        "seconds_by_role": Since({"*": NUMBER}),
        "bytes": Since(WAYS),
        "predicted": Since(WAYS),
        "held_bytes": Since(BYTES),
        "peak_bytes": Since({"*": int}),
        "ahead": Since({"*": {"inferences": int, "memory_bytes": int, "disk_bytes": int}}),
    },
    "setup": {"seconds": NUMBER, "network": str, "bytes": {**BYTES, "dealer": int}},
    "correctness": {
        "images": int,
        "images_sha256": Since(str),
        "match_rate": MAYBE,
        "match_ci95": OrNone(INTERVAL),
        "accuracy": OrNone({"encrypted": NUMBER, "ci95": INTERVAL, "plain": MAYBE}),
        "max_abs_logit_error": MAYBE,
        "mean_abs_logit_error": MAYBE,
        "wraps": OrNone(int),
        "wrapped_images": OrNone(int),
        "expected_wraps": MAYBE,
        "out_of_range": Since(int),
    },
    "fit": OrNone(
        {
            "slope_ms_per_relu": NUMBER,
            "slope_ci95": OrNone(INTERVAL),
            "intercept_ms": NUMBER,
            "r2": NUMBER,
            "budgets": [int],
            "latency_ms": [NUMBER],
        }
    ),
    "layers": [
        {
            "name": str,
            "op": str,
            "relu_kept": int,
            "relu_total": int,
            "rounds": int,
            "bytes_per_party": int,
            "bytes": BYTES,
            "serial_bytes": Since(int),
            "ms": NUMBER,
            "compute_ms": MAYBE,
            "predicted": {"rounds": int, "server_bytes": int, "client_bytes": int},
        }
    ],
    "parties": {"*": {"machine": int, "hardware": object, "versions": object}},
    "versions": object,
    "hardware": object,
    "command": str,
    "date": str,
    "commit": OrNone(str),
}


def write(card: Mapping[str, Any], path: Path) -> None:
    """Writes a card as JSON; whoever reads the path sees the old file or the whole new one. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(card, file, indent=2, allow_nan=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read(path: Path) -> dict[str, Any]:
    """The card in a file. Raises ValueError, naming the file and what is wrong, for what is no card of a secure run."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON, so no card; run the command that made it again") from error
    wrong = problem(card)
    if wrong is not None:
        raise ValueError(f"{path} is no card of a secure run: {wrong}; python -m pi_bench MODEL.onnx writes one")
    return _as_today(card)


def _as_today(card: dict[str, Any]) -> dict[str, Any]:
    """An older card with what it lacks: None, or what follows from the rest of it."""
    card.setdefault("comparison", None)
    card["model"].setdefault("mode", None)
    for key in ("out_of_range", "images_sha256"):
        card["correctness"].setdefault(key, None)
    for layer in card["layers"]:
        if layer.get("serial_bytes") is None:
            layer["serial_bytes"] = max(layer["bytes"].values())
    for key in ("seconds_by_role", "bytes", "predicted", "held_bytes", "peak_bytes", "ahead"):
        card["offline"].setdefault(key, None)
    return card


def problem(card: object) -> str | None:
    """What keeps a value from being the card of a secure run, in words; None for a card."""
    if not isinstance(card, dict):
        return f"it holds a {type(card).__name__} instead of keys and values"
    if card.get("kind") != "secure-inference":
        return f'its "kind" is {card.get("kind")!r} instead of "secure-inference"'
    wrong = _problem(card, KEYS, "")
    if wrong is None and not card["layers"]:
        return '"layers" is empty'
    return wrong


def _problem(value: Any, expected: Any, place: str) -> str | None:
    """The first place at which a value is not as expected (see KEYS)."""
    name = place[1:] or "the card"
    if isinstance(expected, OrNone):
        return None if value is None else _problem(value, expected.inner, place)
    if isinstance(expected, dict):
        if not isinstance(value, dict):
            return f'"{name}" has to be keys and values'
        keys = dict.fromkeys(value, expected["*"]) if "*" in expected else expected
        missing = [key for key, inner in keys.items() if key not in value and not isinstance(inner, Since)]
        if missing:
            return f'"{f"{place}.{missing[0]}"[1:]}" is missing'
        found = (_problem(value.get(key), inner, f"{place}.{key}") for key, inner in keys.items())
    elif isinstance(expected, list):
        if not isinstance(value, list):
            return f'"{name}" has to be a list'
        if len(expected) == 2 and len(value) != 2:
            return f'"{name}" has to be a list of two'
        found = (_problem(item, expected[0], f"{place}.{i}") for i, item in enumerate(value))
    else:
        return None if _is(value, expected) else f'"{name}" is {value!r:.60}, which it cannot be'
    return next((wrong for wrong in found if wrong is not None), None)


def _is(value: Any, expected: Any) -> bool:
    """Whether a value has the type; True is no number, and neither is what JSON cannot hold."""
    kinds = expected if isinstance(expected, tuple) else (expected,)
    if isinstance(value, bool):
        return bool in kinds or object in kinds
    return isinstance(value, kinds) and not (isinstance(value, float) and not math.isfinite(value))
