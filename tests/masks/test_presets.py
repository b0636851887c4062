"""The published vectors: the counts they stand for come back from water-filling."""

import pytest

from masks import preset_sensitivity, waterfill
from masks.presets import KEEP_FRACTIONS

RESNET18 = [65536] * 5 + [32768] * 4 + [16384] * 4 + [8192] * 4
RESNET18_64 = [4 * n for n in RESNET18]
RESNET18_224 = [802816] + [200704] * 4 + [100352] * 4 + [50176] * 4 + [25088] * 4
RESNET34 = [65536] * 7 + [32768] * 8 + [16384] * 12 + [8192] * 6
WRN22_8 = [16384] + [131072] * 6 + [65536] * 6 + [32768] * 6
TINY_150K = [
    857,
    2781,
    3193,
    3760,
    4138,
    5323,
    7325,
    7652,
    8351,
    10108,
    12215,
    12415,
    12935,
    14114,
    14853,
    14979,
    15000,
]


def capacities(name: str) -> list[int]:
    by_prefix = {"resnet18-tiny": RESNET18_64, "resnet18-imagenet": RESNET18_224}
    by_prefix |= {"resnet18": RESNET18, "resnet34": RESNET34, "wrn22_8": WRN22_8}
    return next(sizes for prefix, sizes in by_prefix.items() if name.startswith(prefix))


@pytest.mark.parametrize("name", KEEP_FRACTIONS)
def test_published_counts_come_back_within_one(name: str) -> None:
    published = preset_sensitivity(name, capacities(name))
    counts = waterfill(published, capacities(name), round(sum(published)))
    assert all(abs(ours - theirs) < 1.0001 for ours, theirs in zip(counts, published, strict=True))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("resnet18-25k", 25_329.7),
        ("resnet18-50k", 49_971.2),
        ("resnet18-82k", 82_657.3),
        ("resnet18-100k", 99_987.8),
        ("resnet18-120k", 119_767.0),
        ("resnet18-150k", 148_897.8),
        ("resnet34-25k", 25_072.7),
        ("resnet34-50k", 50_116.1),
        ("resnet34-80k", 79_978.3),
        ("resnet34-200k", 200_152.7),
        ("wrn22_8-240k", 239_435.8),
        ("wrn22_8-300k", 299_314.4),
        ("resnet18-tiny-150k", 150_000.0),
        ("resnet18-tiny-300k", 300_000.0),
        ("resnet18-imagenet-300k", 301_858.8),
    ],
)
def test_sums_noted_from_the_source(name: str, kept: float) -> None:
    assert sum(preset_sensitivity(name, capacities(name))) == pytest.approx(kept, abs=0.06)


def test_the_tiny_lists() -> None:
    """To the unit; the counts rounded one by one sum to 149,999, so one site (7652.47) has to have one more."""
    counts = waterfill(preset_sensitivity("resnet18-tiny-150k", RESNET18_64), RESNET18_64, 150_000)
    assert sum(TINY_150K) == 149_999
    assert [ours - theirs for ours, theirs in zip(counts, TINY_150K, strict=True)] == [0] * 7 + [1] + [0] * 9
    twice = waterfill(preset_sensitivity("resnet18-tiny-300k", RESNET18_64), RESNET18_64, 300_000)
    assert sum(twice) == 300_000
    assert all(abs(b - 2 * a) <= 1 for a, b in zip(TINY_150K, twice, strict=True))


def test_the_tiny_vector_explains_the_100k_split() -> None:
    counts = waterfill(preset_sensitivity("resnet18-tiny-150k", RESNET18_64), RESNET18, 100_000)
    published = preset_sensitivity("resnet18-100k", RESNET18)
    assert sum(abs(ours - theirs) for ours, theirs in zip(counts, published, strict=True)) <= 39 + 17


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'resnet18-60k'; there are resnet18-25k, .*resnet18-tiny-300k"):
        preset_sensitivity("resnet18-60k", RESNET18)
    with pytest.raises(ValueError, match="17 ReLU sites, this one has 33"):
        preset_sensitivity("resnet18-50k", RESNET34)
