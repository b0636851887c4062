"""Seeds for torch's generators, each a pure function of the numbers that decide what is drawn."""

import numpy as np


def seed_of(*numbers: int) -> int:
    """A seed in [0, 2^63) that changes with each of the numbers and with their order; they are 0 or more."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
