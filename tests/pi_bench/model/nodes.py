"""Small ONNX graphs for the tests of lowering: nodes and constants they are made of, and the kinds of what they become."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from pi_bench.model.operations import Model

MakeOnnx = Callable[..., Path]
SHAPE = (4, 7, 6)


def node(op: str, inputs: str, output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op, [name if name != "_" else "" for name in inputs.split()], [output], output, **attributes)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


W3, W1 = random(6, 4, 3, 3), random(4, 4, 1, 1)
T4 = random(1, 4, 1, 1)
NORM = {"g": random(4), "b": random(4), "m": random(4), "v": np.abs(random(4)) + np.float32(0.1)}
FLAT = node("Flatten", "x", "f")


def kinds(model: Model) -> list[str]:
    return [operation.op for operation in model.architecture.operations]
