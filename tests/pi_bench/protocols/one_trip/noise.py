"""What noise is: every bit of a word is set in half of all words, as far as their number can tell."""

import numpy as np

SIGMAS = 5


def ones(words: np.ndarray) -> np.ndarray:
    """How often each of 64 bits is set."""
    return np.unpackbits(words.view(np.uint8).reshape(-1, 8), axis=1).sum(0, dtype=np.int64)


def fair(counts: np.ndarray, total: int, sigmas: float = SIGMAS) -> bool:
    return bool(np.abs(counts - total / 2).max() < sigmas * (total / 4) ** 0.5)


def alike(counts: list[np.ndarray], total: int) -> bool:
    """Whether the same bits are set as often in two samples of the same size."""
    return bool(np.abs(counts[0] - counts[1]).max() < SIGMAS * (total / 2) ** 0.5)
