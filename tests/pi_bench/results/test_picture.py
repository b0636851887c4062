import pytest

from pi_bench.cost import breakdown
from pi_bench.results import picture
from pi_bench.wire.network import PROFILES

WAN = {"name": "wan", "rtt_ms": 40.0, "mbit_per_s": 400.0, "emulated": True}


def heights(axis) -> list[float]:
    return [bar.get_height() for bar in axis.patches]


def test_a_bar_is_as_high_as_the_latency_and_its_parts_are_the_breakdown(make_card):
    made = make_card()
    axis = picture.draw([made]).axes[0]
    parts = breakdown(made["layers"], PROFILES["lan"])
    expected = [parts.linear_ms, parts.relu_compute_ms, parts.relu_bytes_ms, parts.relu_rounds_ms]
    assert heights(axis) == pytest.approx(expected)
    assert sum(heights(axis)) == pytest.approx(made["online"]["latency_ms"]["median"])


def test_the_last_panel_has_the_bytes_once_for_all_networks(make_card):
    cards = [make_card(), make_card(network=WAN)]
    figure = picture.draw(cards)
    assert len(figure.axes) == 4 and not figure.axes[3].axison
    total = sum(heights(figure.axes[2]))
    assert total == pytest.approx(cards[0]["online"]["bytes_per_party"] / 1e6)


def test_there_is_a_group_per_budget_and_a_bar_per_protocol(make_card):
    kepts = ((400, 100), (60, 40), (0, 0))
    axis = picture.draw([make_card(kept=kept, protocol=p) for kept in kepts for p in ("crypten", "crypten-plain")]).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0", "100", "500"]
    assert len({round(bar.get_x(), 6) for bar in axis.patches}) == 6
    assert {bar.get_hatch() for bar in axis.patches} == {"", "////"}


def test_two_models_of_the_same_budget_stand_side_by_side_under_their_names(make_card):
    axis = picture.draw([make_card(name="a$b.onnx"), make_card(name="c.onnx")]).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["100\na\\$b.onnx", "100\nc.onnx"]


def test_two_modes_of_one_model_stand_side_by_side(make_card):
    axis = picture.draw([make_card(mode="normal"), make_card(mode="adversarial")]).axes[0]
    names = [label.get_text() for label in axis.get_xticklabels()]
    assert names == ["100\nstudent.onnx (adversarial)", "100\nstudent.onnx (normal)"]
    assert len({round(bar.get_x(), 6) for bar in axis.patches}) == 2


def test_seconds_are_used_where_milliseconds_get_long(make_card):
    figure = picture.draw([make_card(), make_card(network={**WAN, "rtt_ms": 400.0})])
    assert [axis.get_ylabel() for axis in figure.axes[:3]] == ["milliseconds (median)", "seconds (median)", "MB"]


def test_a_network_without_relus_can_be_drawn(make_card):
    assert picture.draw([make_card(kept=(0, 0), total=(0, 0))]).axes[0].get_ylim()[1] > 0


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
