"""A network with every kind of layer that one trip has something to hide in, and two images with different answers."""

import numpy as np

from pi_bench.model.operations import Architecture, AveragePool, Concat, Conv, Linear, Model, ReLU, Reshape, Weights
from pi_bench.protocols.registry import PROTOCOLS
from pi_bench.protocols.settings import Settings

MAP = (4, 6, 6)
RNG = np.random.default_rng(0)
HALF = np.packbits(np.arange(144) % 2).tobytes()
SAME = (1, 1, 1, 1)
ARCHITECTURE = Architecture(
    "image",
    MAP,
    (
        Conv("stem", ("image",), MAP, weight_shape=(4, 4, 3, 3), padding=SAME),
        ReLU("first", ("stem",), MAP),
        Conv("second", ("first",), MAP, weight_shape=(4, 4, 3, 3), padding=SAME),
        ReLU("half", ("second",), MAP, packed=HALF),
        ReLU("whole", ("second",), MAP),
        Conv("third", ("half",), MAP, weight_shape=(4, 4, 3, 3), padding=SAME),
        ReLU("last", ("third",), MAP),
        Concat("join", ("last", "whole"), (8, 6, 6), axis=0),
        AveragePool("pool", ("join",), (8, 1, 1), kernel=(6, 6), stride=(6, 6)),
        Reshape("flat", ("pool",), (8,)),
        Linear("fc", ("flat",), (3,), weight_shape=(3, 8)),
    ),
)
MODEL = Model(
    ARCHITECTURE,
    {name: Weights(RNG.normal(size=(4, 4, 3, 3)) / 6, RNG.normal(size=(4, 1, 1))) for name in ("stem", "second", "third")}
    | {"fc": Weights(RNG.normal(size=(3, 8)), None)},
)
SETTINGS = Settings("one-trip", precision_bits=16, comparison_bits=24)
LAYERS = PROTOCOLS["one-trip"].layers(ARCHITECTURE, SETTINGS)
IMAGES = {
    "zeros": np.zeros((1, *MAP), np.float32),
    "bright": np.broadcast_to(np.arange(6) % 2 * 0.9 + 0.1, (1, *MAP)).astype(np.float32),
}
