"""Cards as a Markdown table."""

from itertools import permutations

from pi_bench.results.markdown import table


def cells(cards) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in table(cards).splitlines()[2:]]


def test_a_row_for_each_mode_and_protocol(make_card):
    cards = [make_card(mode="normal"), make_card(mode="adversarial"), make_card(protocol="crypten-plain")]
    assert [row[:2] for row in cells(cards)] == [
        ["100", "crypten-plain"],
        ["100", "crypten, adversarial"],
        ["100", "crypten, normal"],
    ]


def test_protocols_of_a_budget_stand_together_whatever_the_order_of_the_cards(make_card):
    order = [("500", "one-trip"), ("500", "crypten"), ("100", "one-trip"), ("100", "crypten-plain")]
    kept = {"500": (400, 100), "100": (60, 40)}
    for some in permutations(order):
        rows = cells([make_card(kept=kept[relus], protocol=protocol) for relus, protocol in some])
        assert [tuple(row[:2]) for row in rows] == order


def test_offline_is_seconds_and_what_the_party_receives_that_receives_more(make_card, make_older):
    for made in (make_card(), make_older()):
        assert cells([made])[0][-3:] == ["20", "34.3 kB", "22.0 ms, 90.1 kB"]
