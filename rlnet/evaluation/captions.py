"""What stands under a table of accuracies: how many images and which corruptions they rest on, what the switch does."""

from collections.abc import Iterable

from rlnet.data.corruptions.names import CORRUPTIONS, SEVERITIES

NAMED = 3  # at most so many corruptions are named one by one


def corruptions(measured: Iterable[str]) -> str:
    """Over which corruptions NPA is a mean, in words; those that are no part of the benchmark's fifteen are no part of NPA."""
    there = set(measured)
    found = [name for name in CORRUPTIONS if name in there]
    if len(found) == len(CORRUPTIONS):
        return f"the benchmark's {len(CORRUPTIONS)} corruptions x {len(SEVERITIES)} severities"
    names = f" ({', '.join(name.replace('_', ' ') for name in found)})" if 0 < len(found) <= NAMED else ""
    return f"only {len(found)} of the benchmark's {len(CORRUPTIONS)} corruptions{names} x {len(SEVERITIES)} severities"


def images(clean: int, corrupted: int, attacked: int) -> str:
    """How many test images each kind of accuracy rests on; one number where all rest on as many."""
    counts = {"clean": clean, "of each corruption": corrupted, "attacked": attacked}
    there = {name: n for name, n in counts.items() if n}
    if len(set(there.values())) == 1 and len(there) > 1:
        return f"{clean:,} test images each"
    return "test images: " + ", ".join(f"{n:,} {name}" for name, n in there.items())


def one_path(threshold: float) -> str | None:
    """That a threshold sends every image along one path, in words; None for one that chooses between the two."""
    if threshold > 1:
        return (
            "the switch never chooses: every image takes the adversarial path, which is right often enough on clean images for "
            "the loss that was allowed; mode adversarial is the same and costs half"
        )
    if threshold == 0:
        return (
            "the switch never chooses: every image takes the normal path, for sending any other away would cost more clean "
            "accuracy than was allowed; mode normal is the same and costs half"
        )
    return None
