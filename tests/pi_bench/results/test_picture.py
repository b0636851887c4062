from itertools import combinations

import pytest
from matplotlib.colors import to_hex

from pi_bench.cost import breakdown
from pi_bench.results import card, picture
from pi_bench.units import duration, size
from pi_bench.wire.network import PROFILES

WAN = {"name": "wan", "rtt_ms": 40.0, "mbit_per_s": 400.0, "emulated": True}
PROTOCOLS = ("one-trip", "crypten", "crypten-plain")
BUDGETS = ((400, 100), (300, 60), (150, 50), (60, 40), (5, 5), (0, 0))


def panels(figure, title) -> list:
    return [axis for axis in figure.axes if axis.get_title(loc="left") == title]


def panel(figure, title):
    (found,) = panels(figure, title)
    return found


def lengths(axis) -> dict[int, dict[str, float]]:
    """By row, by colour."""
    found: dict[int, dict[str, float]] = {}
    for bar in axis.patches:
        row = round(bar.get_y() + bar.get_height() / 2)
        found.setdefault(row, {})[to_hex(bar.get_facecolor())] = bar.get_width()
    return found


def words(axis) -> list[str]:
    """What stands in a panel: about it, headings, and the bars' lengths."""
    return [text.get_text().strip() for text in axis.texts]


def rows(axis) -> list[str]:
    return [label.get_text() for label in axis.get_yticklabels()]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_bar_is_as_long_as_the_latency_and_its_parts_are_the_breakdown(make_card, protocol):
    made = make_card(protocol=protocol)
    axis = panel(picture.draw([made]), "Online latency")
    parts = breakdown(made["layers"], PROFILES["lan"])
    (found,) = lengths(axis).values()
    expected = [parts.linear_ms, parts.relu_compute_ms, parts.relu_bytes_ms, parts.relu_rounds_ms]
    assert list(found.values()) == pytest.approx(expected)
    assert sum(found.values()) == pytest.approx(made["online"]["latency_ms"]["median"])
    assert duration(made["online"]["latency_ms"]["median"]) in words(axis)


def test_parts_of_a_bar_follow_each_other_without_gaps(make_card):
    for axis in picture.draw([make_card(protocol="one-trip")]).axes[:3]:
        ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axis.patches]
        assert [start for start, _ in ends] == pytest.approx([0.0, *(end for _, end in ends[:-1])])


def test_bytes_stand_once_for_all_networks(make_card):
    cards = [make_card(), make_card(network=WAN)]
    figure = picture.draw(cards)
    assert len(panels(figure, "Online latency")) == 2
    for title, found in (("Online bytes", cards[0]["online"]), ("Offline bytes", cards[0]["offline"])):
        (row,) = lengths(panel(figure, title)).values()
        assert sum(row.values()) == pytest.approx(found["bytes_per_party"] / 1e6)
        assert size(found["bytes_per_party"]) in words(panel(figure, title))


def test_offline_bytes_are_stacked_by_who_sends_them_to_the_party_that_receives_more(make_result):
    result = make_result()
    sent = {"dealer_to_server": 5, "dealer_to_client": 2_000_000, "client_to_server": 7, "server_to_client": 1_000_000}
    result["offline"]["bytes"] = sent
    (found,) = lengths(panel(picture.draw([card.build(result, "")]), "Offline bytes")).values()
    assert found == pytest.approx({picture.ROLES["dealer"]: 2.0, picture.ROLES["server"]: 1.0})


def test_times_of_parties_and_dealer_lie_beside_each_other_and_never_behind(make_card):
    made = make_card()
    axis = panel(picture.draw([made]), "Offline time")
    (found,) = lengths(axis).values()
    assert found == pytest.approx({picture.ROLES[role]: s for role, s in made["offline"]["seconds_by_role"].items()})
    assert {bar.get_x() for bar in axis.patches} == {0}
    assert duration(1000 * made["offline"]["seconds"]) in words(axis)


def test_rows_stand_as_in_tables_whatever_the_order_of_the_cards(make_card):
    cards = [make_card(kept=kept, protocol=protocol) for kept in ((60, 40), (400, 100)) for protocol in PROTOCOLS[::-1]]
    for axis in picture.draw(cards).axes:
        assert rows(axis) == [*PROTOCOLS, *PROTOCOLS]
        headings = [text for text in words(axis) if text.endswith(" ReLUs")]
        assert headings == ["500 ReLUs", "100 ReLUs"]
        assert sorted(lengths(axis)) == [1, 2, 3, 5, 6, 7]  # below the headings, from the top
        assert axis.get_ylim()[0] > axis.get_ylim()[1]


def test_eighteen_bars_on_three_networks_can_be_read(make_card):
    """No words in a panel overlap, and all lie within the picture."""
    networks = ({"name": "loopback", "rtt_ms": None, "mbit_per_s": None, "emulated": False}, make_card()["network"], WAN)
    cards = [
        make_card(kept=kept, protocol=protocol, network=network)
        for network in networks
        for kept in BUDGETS
        for protocol in PROTOCOLS
    ]
    figure = picture.draw(cards)
    figure.draw_without_rendering()
    whole = figure.bbox
    for axis in figure.axes:
        boxes = [text.get_window_extent() for text in (*axis.texts, *axis.get_yticklabels())]
        assert not [1 for one, other in combinations(boxes, 2) if one.overlaps(other)]
        assert all(box.x0 >= 0 and box.x1 <= whole.x1 and box.y0 >= 0 and box.y1 <= whole.y1 for box in boxes)


def test_two_models_of_the_same_budget_stand_under_their_names(make_card):
    axis = picture.draw([make_card(name="a$b$.onnx"), make_card(name="c.onnx")]).axes[0]
    assert words(axis)[-2:] == ["100 ReLUs, a$b$.onnx", "100 ReLUs, c.onnx"]


def test_two_modes_of_one_model_stand_under_their_names(make_card):
    axis = picture.draw([make_card(mode="normal"), make_card(mode="adversarial")]).axes[0]
    assert words(axis)[-2:] == ["100 ReLUs, student.onnx (adversarial)", "100 ReLUs, student.onnx (normal)"]
    assert sorted(lengths(axis)) == [1, 3]


def test_a_long_name_keeps_both_of_its_ends(make_card):
    cards = [make_card(name=f"first/{'long-' * 20}name.onnx", mode=mode) for mode in ("a", "b")]
    names = words(picture.draw([*cards, make_card(name="other.onnx")]).axes[0])[-3:-1]
    assert all(name.startswith("100 ReLUs, first/") for name in names)
    assert [name[-13:] for name in names] == ["name.onnx (a)", "name.onnx (b)"]
    assert max(map(len, names)) < 50


def test_seconds_are_used_where_milliseconds_get_long(make_card):
    figure = picture.draw([make_card(), make_card(network={**WAN, "rtt_ms": 400.0})])
    units = [axis.get_xlabel() for axis in panels(figure, "Online latency")]
    assert units == ["milliseconds, median", "seconds, median"]


def test_a_network_without_relus_can_be_drawn(make_card):
    assert picture.draw([make_card(kept=(0, 0), total=(0, 0))]).axes[0].get_xlim()[1] > 0


def test_an_older_card_shows_what_it_has(make_card, make_older):
    older, made = (picture.draw([make()]) for make in (make_older, make_card))
    for title in ("Online latency", "Online bytes"):
        assert lengths(panel(older, title)) == lengths(panel(made, title))
    for title in ("Offline bytes", "Offline time"):
        assert words(panel(older, title)) == words(panel(made, title))
    ((colour, megabytes),) = lengths(panel(older, "Offline bytes"))[1].items()
    assert colour == picture.ROLES["unknown"] and megabytes == pytest.approx(90_100 / 1e6)


def test_the_legend_names_the_colours_that_are_there(make_card, make_older):
    names = [[text.get_text() for text in picture.draw([made]).legends[0].get_texts()] for made in (make_card(), make_older())]
    assert {"server (offline)", "client (offline)", "dealer (offline)"} == set(names[0]) - set(names[1])
    assert set(names[1]) - set(names[0]) == {"offline, of all (older card)"}


def test_the_same_cards_give_the_same_svg_without_anything_from_outside(make_card):
    made = [make_card(), make_card(protocol="crypten-plain")]
    first = picture.svg(made)
    assert first == picture.svg(made)
    assert first.startswith("<svg") and "metadata" not in first


def test_a_png_is_written_whole_or_not_at_all(make_card, tmp_path):
    path = tmp_path / "new" / "picture.png"
    picture.write_png([make_card()], path)
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="at least one card"):
        picture.write_png([], path)
    assert [file.name for file in path.parent.iterdir()] == ["picture.png"]
