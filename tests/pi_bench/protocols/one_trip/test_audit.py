"""What an auditor finds in one trip: values out of the range of their comparison, and truncations that wrapped."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pi_bench.model import plain
from pi_bench.model.operations import Model
from pi_bench.protocols.calibration import calibrated
from pi_bench.protocols.settings import Settings
from pi_bench.protocols.shares.audit import out_of_range, wraps

from ...three_parties import Outcome, infer
from .networks import BITS, BRANCHES, IMAGES, MAP, ONE_TRIP, SETTINGS, chosen, conv, ending, images, model, relu, right, total


def values_out_of_range(outcome: Outcome, of: Model, settings: Settings) -> list[int]:
    """The auditor's count, of each inference."""
    limits = {site: limit for site, (_, limit) in ONE_TRIP.comparisons(of.architecture, settings).items()}
    return [out_of_range(*_values(records), limits) for records in outcome.records]


def _values(records: Mapping[str, Any]) -> list[Mapping[str, str]]:
    return [records[role]["notes"]["values"] for role in ("server", "client")]


def wrapped(outcome: Outcome) -> list[int]:
    """The image of each truncation that the auditor finds wrapped, of all inferences."""
    near = [[records[role]["notes"]["near"] for role in ("server", "client")] for records in outcome.records]
    return [image for both in near for image in wraps(*both)]


def test_bits_by_calibration_make_keys_smaller_and_no_value_is_out_of_range() -> None:
    """16 bytes for each bit less, of each kept element and party; the calibration has not seen what is asked."""
    seen = np.random.default_rng(7).uniform(-1, 1, (16, 2, 6, 6))
    found = calibrated(SETTINGS, BRANCHES, seen)
    outcome = infer(BRANCHES, IMAGES, found, note=True)
    assert right(outcome, BRANCHES, IMAGES)
    outcome.check_costs(ONE_TRIP.costs(BRANCHES.architecture, found))
    assert values_out_of_range(outcome, BRANCHES, found) == [0]
    saved = sum(16 * 2 * site.kept * (48 - found.bits_of(site.name)) for site in BRANCHES.architecture.relus)
    for way in ("dealer_to_server", "dealer_to_client"):
        assert saved == total(BRANCHES, SETTINGS).offline[way] - total(BRANCHES, found).offline[way] > 0


SHALLOW = model((2, 6, 6), conv("stem", "image", 2), relu("part", "stem", share=0.6), *ending("part", MAP))


@pytest.mark.parametrize("bits", [8, 16])
def test_an_auditor_counts_what_is_out_of_range(bits: int) -> None:
    """As many as are in the clear: of units of 2^-16, those from 2^(bits - 1) - 1 on. Then answers are wrong."""
    settings = chosen(batch=2, comparison_bits=bits)
    outcome = infer(SHALLOW, IMAGES, settings, note=True)
    (count,) = values_out_of_range(outcome, SHALLOW, settings)
    (site,) = SHALLOW.architecture.relus
    read = np.abs(plain.evaluate(SHALLOW, IMAGES)["stem"][:, site.mask])
    limit, off = (2 ** (bits - 1) - 1) / 2**BITS, 1e-4
    assert 10 < (read > limit + off).sum() <= count <= (read > limit - off).sum()
    assert not right(outcome, SHALLOW, IMAGES)


def test_no_value_is_out_of_range_where_all_bits_are_compared(branches: Outcome) -> None:
    assert values_out_of_range(branches, BRANCHES, SETTINGS) == [0, 0]


def test_what_the_parties_note_adds_up_to_what_is_compared(branches: Outcome) -> None:
    """So the auditor judges the right values: of each site the kept elements; and by the limits of what was not truncated."""
    values = plain.evaluate(BRANCHES, IMAGES)
    found = ONE_TRIP.comparisons(BRANCHES.architecture, SETTINGS)
    kept = [site for site in BRANCHES.architecture.relus if site.kept]
    assert found.keys() == {site.name for site in kept}
    for site in kept:
        magnitude = np.abs(values[site.inputs[0]][:, site.mask])
        shift = 0 if site.name in ("seen", "pooled") else BITS
        assert found[site.name] == (48, 2**61 if shift else 2**47 - 1)  # what is truncated is below 2^61
        for unit in (0.1, 0.25, 0.5):
            count = out_of_range(*_values(branches.records[0]), {site.name: int(unit * 2 ** (BITS + shift))})
            assert 0 < (magnitude > unit + 1e-3).sum() <= count <= (magnitude > unit - 1e-3).sum()


def test_small_values_do_not_wrap(branches: Outcome) -> None:
    """Those that the parties truncate alone: dropped ReLUs, a product that a pool reads, and the logits. It was looked at."""
    assert wrapped(branches) == []
    for role in ("server", "client"):
        assert any(records[role]["notes"]["near"] for records in branches.records)


def test_kept_relus_do_not_wrap_where_truncations_by_each_party_alone_would() -> None:
    """With 27 fractional bits a product of 1 wraps once in 1024 times. Only logits do, and all wrong images are explained."""
    of = model(
        (2, 6, 6), conv("stem", "image", 2), relu("a", "stem"), conv("more", "a", 4), relu("b", "more"), *ending("b", MAP)
    )
    given, settings = images((2, 6, 6), 32), Settings("one-trip", precision_bits=27, batch=32)
    assert ONE_TRIP.expected_wraps(of, given, settings) < 0.5
    outcome = infer(of, given, settings, note=True)
    off = np.abs(outcome.logits[0] - plain.logits(of, given)).max(1) > 1e-3
    assert set(np.flatnonzero(off)) <= set(wrapped(outcome)) and off.sum() < 5
