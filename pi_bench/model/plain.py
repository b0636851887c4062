"""The same network in the clear, in float64: what the right answers are, and whether fixed-point numbers can hold them.

A product of two numbers with f fractional bits has 2 f of them until each party truncates its share. With v the true value:

    overflow    |v| 2^(2 f) >= 2^57                    refused: one truncation in 128 would fail, and not all could be counted
    wrap        P = |v| 2^(2 f - 64) per element       the truncated element is off by 2^(64 - 2 f)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, inf, log2, nextafter, prod

import numpy as np
import torch
from torch import Tensor

from pi_bench.model.arithmetic import combined, product, window_counts, window_sums
from pi_bench.model.operations import Addition, AveragePool, Bias, Conv, Linear, Model, Operation, ReLU, Weights
from pi_bench.model.walk import Inputs, Single, one_by_one, walk

RANGE_BITS = 57  # of 64; up to it `pi_bench.protocols.shares.audit` counts exactly
CHUNK = 16  # images at once


@dataclass(frozen=True)
class Range:
    """Of one value over images: the largest and the mean magnitude, and the number of elements per image."""

    largest: float
    mean: float
    elements: int


def evaluate(model: Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Every value by name, the input included: float64 (B, *shape). images: (B, C, H, W)."""
    chunks = [dict(_values(model, part)) for part in _chunks(model, images)]
    return {name: np.concatenate([chunk[name].numpy() for chunk in chunks]) for name in chunks[0]}


def logits(model: Model, images: np.ndarray) -> np.ndarray:
    """The network's output: float64 (B, K). Raises ValueError, naming the image, where it is not finite."""
    name, found = model.architecture.output.name, []
    for part in _chunks(model, images):
        found += [value.numpy() for other, value in _values(model, part) if other == name]
    logits = np.concatenate(found)
    wrong = np.flatnonzero(~np.isfinite(logits).reshape(len(logits), -1).all(axis=1))
    if len(wrong):
        raise ValueError(
            f"in the clear its outputs for image {wrong[0]} (from 0; {len(wrong)} of {len(logits)} in all) are NaN or "
            "infinite, so no answer can be compared with them; train or export the network again"
        )
    return logits


def ranges(model: Model, images: np.ndarray) -> dict[str, Range]:
    """The range of every value by name, the input included."""
    largest: dict[str, float] = {}
    total: dict[str, float] = {}
    for part in _chunks(model, images):
        for name, value in _values(model, part):
            magnitude = value.abs().nan_to_num(nan=inf, posinf=inf)  # NaN is no magnitude that anything can hold
            largest[name] = max(largest.get(name, 0.0), magnitude.max().item())
            total[name] = total.get(name, 0.0) + magnitude.sum().item()
    sizes = {name: prod(shape) for name, shape in model.architecture.shapes.items()}
    return {name: Range(largest[name], total[name] / (len(images) * sizes[name]), sizes[name]) for name in largest}


def fixed_point_problems(model: Model, images: np.ndarray, precision_bits: int) -> list[str]:
    """What would overflow with `precision_bits` fractional bits, on these images: one sentence for each; none is good."""
    found = ranges(model, images)
    demands = [(f"the input {model.architecture.input!r}", found[model.architecture.input].largest, 1)]
    for operation in model.architecture.operations:
        demands += _demands(operation, model.weights.get(operation.name), found[operation.name].largest)
    return [_problem(*demand) for demand in demands if not _fits(demand[1], demand[2], precision_bits)]


def _demands(operation: Operation, weights: Weights | None, largest: float) -> Iterator[tuple[str, float, int]]:
    """(what, magnitude, how many times the fractional bits it has) of all that one operation holds."""
    layer = f"{operation.op} {operation.name!r}"
    product = isinstance(operation, Conv | Linear | Addition | Bias)  # a sum may be of products that are not truncated yet
    whole = prod(operation.kernel) if isinstance(operation, AveragePool) else 1  # a pool sums before it divides
    yield f"the output of {layer}", whole * largest, 2 if product else 1
    for name, values, times in (
        ("weights", weights and weights.weight, 1),
        ("bias", weights and weights.bias, 2 if product else 1),
    ):
        if values is not None:
            yield f"the {name} of {layer}", float(np.abs(values).max()), times


def _fits(magnitude: float, times: int, precision_bits: int) -> bool:
    return magnitude * 2.0 ** (times * precision_bits) < 2.0**RANGE_BITS


def _problem(what: str, magnitude: float, times: int) -> str:
    bits = floor(nextafter((RANGE_BITS - log2(magnitude)) / times, -1e9))
    remedy = f"at most {bits} precision bits hold it" if bits >= 1 else "no precision holds it"
    return f"{what} reaches {magnitude:.4g}, beyond the fixed-point range; {remedy}"


def _chunks(model: Model, images: np.ndarray) -> Iterator[Tensor]:
    shape = model.architecture.input_shape
    if images.shape[1:] != shape or not len(images):
        raise ValueError(f"images have shape {images.shape}, the network takes (batch, {', '.join(map(str, shape))})")
    for i in range(0, len(images), CHUNK):
        yield torch.from_numpy(np.asarray(images[i : i + CHUNK], np.float64))


@torch.no_grad()
def _values(model: Model, images: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The values one after the other."""
    yield model.architecture.input, images

    def run(layer: Single, inputs: Inputs) -> list[Tensor]:
        return [_run(layer.operation, inputs[0], model.weights.get(layer.operation.name))]

    for layer, (value,) in walk(one_by_one(model.architecture), {model.architecture.input: images}, run):
        yield layer.operation.name, value


def _run(operation: Operation, inputs: tuple[Tensor, ...], held: Weights | None) -> Tensor:
    x, bias = inputs[0] if inputs else None, None if held is None or held.bias is None else torch.from_numpy(held.bias)
    match operation:
        case Conv() | Linear():
            y = product(operation)(x, torch.from_numpy(held.weight))
            return y if bias is None else y + bias
        case Bias():
            return x + bias
        case ReLU():
            return x.relu() if operation.packed is None else torch.where(torch.from_numpy(operation.mask), x.relu(), x)
        case AveragePool():
            return window_sums(operation, x) / window_counts(operation, tuple(x.shape[1:]))
    return combined(operation, inputs)
