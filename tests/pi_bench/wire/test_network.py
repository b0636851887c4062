import math

import pytest

from pi_bench.wire.network import LOOPBACK, PROFILES, REAL, Link, Network, choose

MS = 1_000_000  # nanoseconds


@pytest.mark.parametrize(
    ("name", "rtt_ms", "mbit_per_s"),
    [("lan", 0.3, 3000), ("wan", 40, 400), ("lan-1g", 1, 1000), ("wan-100m", 80, 100), ("loopback", None, None)],
)
def test_profiles_are_those_of_the_issue(name, rtt_ms, mbit_per_s):
    network = choose(name)
    assert (network.name, network.rtt_ms, network.mbit_per_s) == (name, rtt_ms, mbit_per_s)
    assert network.emulated == (name != "loopback")


def test_a_real_network_is_not_emulated():
    assert choose("real") == REAL == Network("real", None, None, False)


def test_own_values_make_a_custom_network():
    assert choose(rtt_ms=10, mbit_per_s=50) == Network("custom", 10.0, 50.0, True)
    assert choose(rtt_ms=10) == Network("custom", 10.0, None, True)
    assert choose("wan", mbit_per_s=50) == Network("custom", 40.0, 50.0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "moon"}, "no network 'moon'.*loopback, lan, wan"),
        ({"name": "real", "rtt_ms": 1}, "measured as it is"),
        ({"rtt_ms": -1}, "round-trip time of -1 ms"),
        ({"rtt_ms": math.nan}, "round-trip time of nan ms"),
        ({"rtt_ms": math.inf}, "round-trip time of inf ms"),
        ({"mbit_per_s": 0}, "bandwidth of 0 Mbit/s"),
        ({"mbit_per_s": -5}, "bandwidth of -5 Mbit/s"),
        ({"mbit_per_s": math.nan}, "bandwidth of nan Mbit/s"),
        ({"mbit_per_s": math.inf}, "bandwidth of inf Mbit/s"),
    ],
)
def test_bad_values_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        choose(**arguments)


def test_a_frame_arrives_after_its_serialisation_and_half_a_round_trip():
    link = Link(Network("custom", 20.0, 1.0, True))  # 1 Mbit/s: 1,250 bytes take 10 ms
    assert link.arrival_ns(1250, 1000 * MS) == (1000 + 10 + 10) * MS


def test_frames_wait_for_the_link_but_not_for_each_others_delay():
    link = Link(Network("custom", 20.0, 1.0, True))
    assert link.arrival_ns(1250, 0) == 20 * MS
    assert link.arrival_ns(1250, 4 * MS) == 30 * MS  # handed over while the first is being sent: begins at 10 ms
    assert link.arrival_ns(1250, 50 * MS) == 70 * MS  # the link was free


def test_without_a_value_nothing_is_added():
    assert Link(Network("custom", None, 1.0, True)).arrival_ns(1250, 0) == 10 * MS
    assert Link(Network("custom", 20.0, None, True)).arrival_ns(10**9, 0) == 10 * MS
    assert Link(LOOPBACK).arrival_ns(10**9, 5) == 5


def test_every_profile_is_found_by_its_own_name():
    assert all(choose(name).name == name for name in PROFILES)
