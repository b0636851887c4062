"""Networks for one trip, by hand: layers, random weights, and one whose branches meet every kind of layer."""

from math import prod

import numpy as np

from pi_bench.cost import Cost
from pi_bench.model import plain
from pi_bench.model.operations import (
    Addition,
    Architecture,
    AveragePool,
    Concat,
    Conv,
    Linear,
    Model,
    Operation,
    ReLU,
    Reshape,
    Weights,
)
from pi_bench.protocols.registry import PROTOCOLS
from pi_bench.protocols.settings import Settings

from ...three_parties import Outcome

ONE_TRIP = PROTOCOLS["one-trip"]
BITS, MAP = 16, (4, 6, 6)


def chosen(batch: int, comparison_bits: int | None = None) -> Settings:
    return Settings("one-trip", precision_bits=BITS, batch=batch, comparison_bits=comparison_bits)


def conv(name: str, source: str, in_channels: int, shape: tuple[int, int, int] = MAP, kernel: int = 3) -> Conv:
    padding = (kernel // 2,) * 4
    return Conv(name, (source,), shape, weight_shape=(shape[0], in_channels, kernel, kernel), padding=padding)


def relu(name: str, source: str, shape: tuple[int, ...] = MAP, share: float | None = None) -> ReLU:
    """That keeps this share of its elements; None: all."""
    if share is None:
        return ReLU(name, (source,), shape)
    mask = np.random.default_rng(len(name) + ord(name[0])).random(shape) < share
    return ReLU(name, (source,), shape, packed=np.packbits(mask).tobytes())


def ending(source: str, shape: tuple[int, int, int], classes: int = 5) -> tuple[Operation, ...]:
    """A global average pool and a linear layer."""
    channels, *size = shape
    return (
        AveragePool("pool", (source,), (channels, 1, 1), kernel=tuple(size), stride=tuple(size)),
        Reshape("flat", ("pool",), (channels,)),
        Linear("fc", ("flat",), (classes,), weight_shape=(classes, channels)),
    )


def model(shape: tuple[int, int, int], *operations: Operation) -> Model:
    """With random weights and biases, such that values keep their size."""
    rng, weights = np.random.default_rng(0), {}
    for operation in operations:
        if isinstance(operation, Conv | Linear):
            bias_shape = (operation.shape[0], 1, 1) if isinstance(operation, Conv) else operation.shape
            scale = prod(operation.weight_shape[1:]) ** -0.5
            weights[operation.name] = Weights(
                rng.normal(size=operation.weight_shape) * scale, 0.3 * rng.normal(size=bias_shape)
            )
    return Model(Architecture("image", shape, operations), weights)


def images(shape: tuple[int, int, int], batch: int) -> np.ndarray:
    """Of both signs, for ReLUs that read them."""
    return np.random.default_rng(1).uniform(-1, 1, (batch, *shape)).astype(np.float32)


def right(outcome: Outcome, of: Model, given: np.ndarray, off: float = 2e-3) -> bool:
    """Whether the logits of all inferences are those in the clear."""
    expected = plain.logits(of, given)
    return len(outcome.logits) > 0 and all(np.abs(logits - expected).max() < off for logits in outcome.logits)


def total(of: Model, settings: Settings) -> Cost:
    return sum(ONE_TRIP.costs(of.architecture, settings).values(), Cost())


BRANCHES = model(
    (2, 6, 6),
    relu("seen", "image", (2, 6, 6), 0.5),  # reads the input, as it is
    conv("left", "seen", 2, kernel=1),
    conv("stem", "image", 2),
    relu("all", "stem"),  # of the same depth as "seen", another mask
    conv("beside", "stem", 4),  # reads a product that also goes into a ReLU
    AveragePool("mean", ("beside",), MAP, kernel=(3, 3), stride=(1, 1), padding=(1, 1, 1, 1)),
    relu("pooled", "mean", share=0.4),  # of the same depth too; what it reads is truncated before
    relu("none", "beside", share=0.0),
    conv("right", "all", 4),
    Addition("sum", ("right", "all"), MAP),  # a product and a ReLU's output
    relu("deeper", "sum", share=0.6),
    relu("left_relu", "left", share=0.3),  # of the same depth as "deeper", without a ReLU in common
    Addition("mixed", ("left_relu", "none"), MAP),
    Concat("join", ("deeper", "pooled", "mixed"), (12, 6, 6), axis=0),
    conv("last", "join", 12),
    relu("end", "last", share=0.5),
    *ending("end", MAP),
)


SETTINGS = chosen(batch=2)
IMAGES = images((2, 6, 6), 2)
