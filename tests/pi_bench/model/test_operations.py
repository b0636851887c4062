"""An architecture as it travels, and what is no architecture."""

import json
from typing import Any

import numpy as np
import pytest

from pi_bench.model.operations import Architecture, Conv, Linear, ReLU, Reshape

MASK = np.arange(32).reshape(2, 4, 4) % 3 == 0
ARCHITECTURE = Architecture(
    "input",
    (3, 4, 4),
    (
        Conv("conv", ("input",), (2, 4, 4), weight_shape=(2, 3, 3, 3), padding=(1, 1, 1, 1)),
        ReLU("relu", ("conv",), (2, 4, 4), packed=np.packbits(MASK.ravel()).tobytes()),
        Reshape("flat", ("relu",), (32,)),
        Linear("fc", ("flat",), (5,), weight_shape=(5, 32)),
    ),
)


def travelled() -> dict[str, Any]:
    return json.loads(json.dumps(ARCHITECTURE.to_json()))


def test_it_arrives_as_it_left() -> None:
    found = Architecture.from_json(travelled())
    assert found == ARCHITECTURE and found.digest == ARCHITECTURE.digest
    assert np.array_equal(found.relus[0].mask, MASK) and found.relus[0].kept == MASK.sum()


def test_counts_by_hand() -> None:
    conv, relu, _, fc = ARCHITECTURE.operations
    assert conv.macs == 2 * 16 * 27 and fc.macs == 160 and relu.size == 32


WRONG = {
    "nothing in it": lambda content: content["operations"].clear(),
    "a name twice": lambda content: content["operations"][1].update(name="conv", inputs=["input"]),
    "a reserved name": lambda content: content["operations"][3].update(name="output"),
    "an input from nowhere": lambda content: content["operations"][1].update(inputs=["elsewhere"]),
    "an input from later": lambda content: content["operations"][1].update(inputs=["flat"]),
    "no input": lambda content: content["operations"][1].update(inputs=[]),
    "a mask too short": lambda content: content["operations"][1].update(packed=""),
    "weights without end": lambda content: content["operations"][0].update(weight_shape=[2**30, 2**30]),
    "a negative size": lambda content: content["operations"][3].update(shape=[-5]),
    "no stride": lambda content: content["operations"][0].update(stride=[0, 1]),
    "a size that is no number": lambda content: content["operations"][3].update(shape=["5"]),
    "an image of nothing": lambda content: content.update(input_shape=[3, 0, 4]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_architecture(name: str) -> None:
    content = travelled()
    WRONG[name](content)
    with pytest.raises((ValueError, TypeError)):
        Architecture.from_json(content)
