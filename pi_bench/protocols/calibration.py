"""How many bits a comparison has to look at: from the largest value that a site has been seen to compare.

Let y be a site's input in units of 2^-f. Its comparison reads k bits and is right while |y| < 2^(k - 1) - 1. k is public, and
each bit costs 16 bytes of key an element and a party. A value out of range turns an answer into noise; an auditor counts those.
"""

from dataclasses import replace
from math import isfinite

import numpy as np

from pi_bench.model import plain
from pi_bench.model.operations import Model
from pi_bench.protocols.registry import reads_bits
from pi_bench.protocols.settings import LEAST_COMPARISON_BITS, Settings

SAFETY = 2**3  # how many times the largest value seen still fits


def comparison_bits(model: Model, images: np.ndarray, precision_bits: int) -> dict[str, int]:
    """k by site, whether it keeps any or not, from the values that images (B, C, H, W) give in the clear.

    Raises ValueError where those are NaN or infinite.
    """
    found = plain.ranges(model, images)
    largest = {relu.name: found[relu.inputs[0]].largest for relu in model.architecture.relus}
    if wrong := [site for site, magnitude in largest.items() if not isfinite(magnitude)]:
        raise ValueError(f"what the ReLU {wrong[0]!r} gets is NaN or infinite for a calibration image; train the network again")
    return {site: _bits(magnitude, precision_bits) for site, magnitude in largest.items()}


def calibrated(settings: Settings, model: Model, images: np.ndarray) -> Settings:
    """The settings with bits by site, where the protocol's comparisons read as many as they are told to."""
    if settings.comparison_bits is not None or not reads_bits(settings):
        return settings
    return replace(settings, site_bits=comparison_bits(model, images, settings.precision_bits))


def _bits(largest: float, precision_bits: int) -> int:
    """The least k with SAFETY * largest * 2^f < 2^(k - 1) - 1, within what there is."""
    needed = 1 + (int(SAFETY * largest * 2.0**precision_bits) + 1).bit_length()
    return min(max(needed, LEAST_COMPARISON_BITS), Settings(precision_bits=precision_bits).widest_comparison)
