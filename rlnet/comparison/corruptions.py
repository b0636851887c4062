"""How long corrupting images takes, ours, in batches, beside the same corruptions image by image, timed in one run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rlnet.accuracy import BATCH
from rlnet.comparison.steps import interleaved
from rlnet.data.corruptions import corrupt

SAMPLE = 50  # image by image, so many of the images tell how long one takes
ALL = "all"


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes in one thread: on maps this small, threads only wait for each other, for one image most of all."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def corrupt_all(images: Tensor, name: str, severities: Sequence[int], seed: int, batch_size: int) -> None:
    """Corrupts images (N, 3, H, W) at each severity, a batch at a time."""
    for severity in severities:
        generator = torch.Generator().manual_seed(seed)
        for batch in images.split(batch_size):
            corrupt(batch, name, severity, generator=generator)


def time_corruptions(
    images: Tensor, repeats: int, names: Sequence[str], severities: Sequence[int], seed: int, advance: Callable[[], None]
) -> dict[str, Any]:
    """Times corrupting images (N, 3, H, W) at all severities by each corruption; returns part of a card.

    Image by image only `SAMPLE` of them are timed ("reference_images"). Times are milliseconds per image and severity of
    each of `repeats` interleaved pairs; those under "all" are the means over the corruptions, their ratio that of all
    sets together. advance is called once for each of len(names) * (repeats + 1) pairs. Raises ValueError.
    """
    if not (len(images) and repeats > 0 and names and severities):
        raise ValueError(
            f"there is nothing to time: {len(images)} images, {repeats} repeats, {len(names)} corruptions,"
            f" {len(severities)} severities; give at least 1 of each"
        )
    sample = images[torch.linspace(0, len(images) - 1, min(SAMPLE, len(images))).long()]
    found: dict[str, dict[str, list[float]]] = {}
    with one_thread():
        for name in names:
            found[name] = interleaved(
                partial(corrupt_all, images, name, severities, seed, BATCH),
                partial(corrupt_all, sample, name, severities, seed, 1),
                repeats=repeats,
                images=len(images) * len(severities),
                device=images.device,
                advance=advance,
                reference_images=len(sample) * len(severities),
            )
    return {
        "images": len(images),
        "reference_images": len(sample),
        "image_shape": list(images.shape[1:]),
        "batch_size": min(BATCH, len(images)),
        "severities": list(severities),
        "sets": len(names) * len(severities),
        "torch_threads": 1,
        "seed": seed,
        "ms_per_image": {**found, ALL: over_all(list(found.values()))},
    }


def over_all(found: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    """The mean over corruptions of the times of each pair, and the ratio of these means."""
    ours, reference = (
        [sum(times) / len(found) for times in zip(*(times[side] for times in found), strict=True)]
        for side in ("ours", "reference")
    )
    return {"ours": ours, "reference": reference, "ratio": [slow / fast for fast, slow in zip(ours, reference, strict=True)]}
