"""Cards as a Markdown table."""

from pi_bench.results.markdown import table


def test_a_row_for_each_mode_and_protocol(make_card):
    cards = [make_card(mode="normal"), make_card(mode="adversarial"), make_card(protocol="crypten-plain")]
    _, _, *rows = [line.split(" | ") for line in table(cards).splitlines()]
    assert [row[:2] for row in rows] == [
        ["| 100", "crypten, normal"],
        ["| 100", "crypten, adversarial"],
        ["| 100", "crypten-plain"],
    ]
