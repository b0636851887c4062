r"""Fits online latency to what cards count, by least squares of relative errors.

    latency = a * ReLU layers + b * ReLUs + c * multiply-accumulates + d * linear layers,   a, b, c, d >= 0

Rounds are in a and d, bytes in b: what a protocol sends grows with these counts. `plan` knows more, for it has the network;
this is for networks that nobody has built yet.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from pi_bench.config.latency_model import ALIKE, COUNTS
from shell.commit import commit

VERSION = 1
LINEAR = ("Conv", "Linear")


def counts(found: Mapping[str, Any]) -> dict[str, int]:
    """What the model sees of a card."""
    layers = found["layers"]
    kept = [layer["relu_kept"] for layer in layers]
    linear = sum(layer["op"] in LINEAR for layer in layers)
    return dict(zip(COUNTS, (sum(k > 0 for k in kept), sum(kept), found["macs"], linear), strict=True))


def fit(x: np.ndarray, measured_ms: np.ndarray) -> np.ndarray:
    """The coefficients (F,) >= 0 in ms that minimise the sum of (x @ ms / measured_ms - 1)^2; x: counts (N, F)."""
    scale = x.max(axis=0)
    return nnls(x / scale / measured_ms[:, None], np.ones(len(x)))[0] / scale


def relative_errors(predicted_ms: np.ndarray, measured_ms: np.ndarray) -> dict[str, float]:
    """The mean and the largest of |predicted / measured - 1|."""
    errors = np.abs(predicted_ms / measured_ms - 1)
    return {"mean_relative": float(errors.mean()), "max_relative": float(errors.max())}


def model(cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The model of cards that were made alike. Raises ValueError for networks that are too much alike."""
    x = np.array([list(counts(found).values()) for found in cards], float)
    measured_ms = np.array([found["online"]["latency_ms"]["median"] for found in cards])
    if np.linalg.matrix_rank(x / x.max(axis=0).clip(1)) < len(COUNTS):
        raise ValueError(f"the networks are too alike to tell apart what {', '.join(COUNTS)} cost; measure others")
    ms = fit(x, measured_ms)
    rest = [np.arange(len(x)) != i for i in range(len(x))]
    without_it = np.array([x[i] @ fit(x[others], measured_ms[others]) for i, others in enumerate(rest)])
    return {
        "kind": "latency-model",
        "version": VERSION,
        **{key: cards[0][key] for key in ALIKE},
        "ms_per": dict(zip(COUNTS, ms.tolist(), strict=True)),
        "error": {
            "networks": len(cards),
            "fit": relative_errors(x @ ms, measured_ms),
            "left_out": relative_errors(without_it, measured_ms),
        },
        "cards": [
            {"model": Path(found["model"]["path"]).name, **counts(found), "measured_ms": m, "predicted_ms": p}
            for found, m, p in zip(cards, measured_ms.tolist(), (x @ ms).tolist(), strict=True)
        ],
        "hardware": cards[0]["hardware"],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
    }
