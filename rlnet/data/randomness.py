"""Random generators that are pure functions of (seed, stream, epoch, index).

Counter-based (Philox, Salmon et al. 2011): no state is carried from one image to the next, so what is drawn for an
image depends neither on the worker or rank that draws it nor on what was drawn before.
"""

import numpy as np

STREAMS = {
    "permutation": 1,
    "crop": 2,
    "augmented crop": 3,
    "augmix": 4,
    "train limit": 5,
    "test limit": 6,
    "validation": 7,
    "test split": 8,
}


def generator(seed: int, stream: str, epoch: int = 0, index: int = 0) -> np.random.Generator:
    """The generator of one decision: seed in [0, 2^64), a key of STREAMS, epoch in [0, 2^24), index in [0, 2^32).

    Raises ValueError for a seed out of range.
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed is {seed}: use a whole number from 0 to 2^64 - 1")
    assert 0 <= epoch < 2**24 and 0 <= index < 2**32, (epoch, index)
    return np.random.Generator(np.random.Philox(key=seed << 64 | STREAMS[stream] << 56 | epoch << 32 | index))
