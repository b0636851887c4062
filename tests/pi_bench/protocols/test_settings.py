"""What parties agree on: what is refused, and that flags say the same."""

import pytest

from pi_bench.protocols.settings import Settings

WRONG = {
    "protocol": ({"protocol": "nobody"}, "crypten-plain"),
    "provider": ({"provider": "nobody"}, "insecure-first-party"),
    "no dealer": ({"provider": "insecure-first-party"}, "needs a dealer"),
    "too precise": ({"precision_bits": 31}, "31"),
    "no fraction": ({"precision_bits": 0}, "0"),
    "empty batch": ({"batch": 0}, "batch is 0"),
    "too few bits to compare": ({"comparison_bits": 7}, "8 to 51"),
    "too many bits to compare": ({"comparison_bits": 52}, "8 to 51"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name: str) -> None:
    values, words = WRONG[name]
    with pytest.raises(ValueError, match=words):
        Settings(**values)


def test_flags_say_the_same() -> None:
    flags = Settings("crypten-plain", "insecure-first-party", 14, 3).arguments()
    assert flags == [
        *("--protocol", "crypten-plain", "--provider", "insecure-first-party"),
        *("--precision-bits", "14", "--batch", "3"),
    ]
    assert Settings(comparison_bits=20).arguments()[-2:] == ["--comparison-bits", "20"]


def test_who_needs_a_dealer() -> None:
    assert Settings().needs_dealer and not Settings("crypten-plain", "insecure-first-party").needs_dealer
