import io

import pytest
from rich.console import Console

from pi_bench.results import card, terminal
from pi_bench.results.sentences import offline_rows, ratio_words
from pi_bench.units import duration, size, times

WAN = {"name": "wan", "rtt_ms": 40.0, "mbit_per_s": 400.0, "emulated": True}


def printed(cards, width=160, **arguments) -> str:
    console = Console(file=io.StringIO(), width=width)
    terminal.show(cards, console=console, **arguments)
    return console.file.getvalue()


def row(text: str, start: str) -> list[str]:
    return next(line for line in text.splitlines() if line.strip().startswith(start)).split()


def test_one_card_says_what_an_inference_takes_in_words(make_card):
    text = printed([make_card()])
    assert "student.onnx keeps 100 of 500 ReLUs" in text
    assert "on lan (3000 Mbit/s, 0.3 ms round trip, emulated): median of 5" in text
    assert "20 rounds" in text and "the server sends 30.3 kB, the client 34.3 kB" in text
    assert "(offline): 22.0 ms and 90.1 kB" in text
    assert "49 of 50 answers are those of plaintext" in text and "accuracy under encryption 90.0%" in text
    assert "Trust: Semi-honest" in text and "Not measured: " in text


def test_the_rows_of_the_layer_table_sum_to_its_last(make_card):
    made = make_card()
    rows = [row(printed([made], all_layers=True), layer["name"]) for layer in made["layers"]]
    total = row(printed([made], all_layers=True), "all ")
    assert sum(int(cells[-3]) for cells in rows) == int(total[-3]) == 20
    assert sum(float(cells[-5]) for cells in rows) == pytest.approx(float(total[-5]), abs=0.04)


def test_costly_layers_are_shown_and_the_others_are_added_up(make_result):
    result = make_result()
    for i in range(20):
        result["layers"].append({**result["layers"][1], "name": f"more{i}"})
        for turn in result["repeats"]:
            for party in turn.values():
                party["layers_ms"].append(0.01 + i / 1000)
                party["waiting_ms"] = [*party["waiting_ms"], 0.0]
    text = printed([card.build(result, "")])
    assert "more19" in text and "more0 " not in text
    assert row(text, "16 others")[0] == "16"
    assert "more0 " in printed([card.build(result, "")], all_layers=True)


def test_the_measured_stands_beside_what_was_predicted_here_and_elsewhere(make_card):
    made = make_card()
    text = printed([made])
    assert row(text, "measured, lan")[2:5] == ["20", "34.3", "kB"]
    assert row(text, "predicted, lan")[2:5] == ["20", "34.3", "kB"]
    assert "400 ms" in " ".join(row(text, "predicted, wan "))  # 20 rounds of 20 ms
    assert text.index("predicted, lan") < text.index("predicted, loopback")


def test_several_cards_are_compared_with_the_first_of_their_network(make_card):
    cards = [
        make_card(network=network, protocol=protocol)
        for network in (make_card()["network"], WAN)
        for protocol in ("crypten", "crypten-plain")
    ]
    text = printed(cards)
    for network in ("lan", "wan"):
        of_network = [one for one in cards if one["network"]["name"] == network]
        part = text.split(f"online on {network}")[1].split("Trust:")[0]
        medians = [one["online"]["latency_ms"]["median"] for one in of_network]
        assert times(medians[1] / medians[0]) in part.split()
        assert f"({ratio_words(of_network[1], of_network[0]).partition('(')[2]}" in part.split()
    assert text.count("Trust:") == 1


def test_cards_of_different_runs_have_a_ratio_without_an_interval(make_card):
    one, other = make_card(), {**make_card(protocol="crypten-plain"), "date": "2020-01-01T00:00:00+00:00"}
    assert "(" not in ratio_words(other, one)
    assert f" {ratio_words(other, one)} " in printed([one, other])
    assert "(" in ratio_words(make_card(protocol="crypten-plain"), one)


def test_offline_costs_stand_below_each_other_in_their_column(make_card):
    cards = [make_card(protocol=protocol) for protocol in ("one-trip", "crypten")]
    lines = printed(cards).splitlines()
    for made in cards:
        first = next(i for i, line in enumerate(lines) if line.strip().startswith(made["protocol"]))
        offline = made["offline"]
        assert lines[first - 1].endswith(f"{duration(1000 * offline['seconds'])} ")
        assert lines[first].endswith(f"{size(offline['bytes_per_party'])} ")


def test_right_answers_tell_values_out_of_range(make_result):
    result = make_result(protocol="one-trip")
    result["correctness"].update(wraps=7, out_of_range=4321)
    text = printed([card.build(result, ""), card.build(make_result(), "")]).split("right answers")[1]
    assert row(text, "student.onnx")[-4:-2] == ["7", "4,321"]


def test_one_card_tells_its_offline_phase_and_its_comparison_bits(make_card):
    text = printed([make_card(protocol="one-trip")])
    assert row(text, "dealer to server")[-4:] == ["90.0", "kB", "90.0", "kB"]
    assert row(text, "time of the server")[-2:] == ["22.0", "ms"]
    assert row(text, "held by the client until")[-2:] == ["4.00", "kB"]
    assert "Comparison bits: 21 bits at the least, 24 at the most" in text and "comparison bits, by site" not in text


def test_every_site_has_its_bits_where_all_layers_are_asked_for(make_card):
    text = printed([make_card(protocol="one-trip")], all_layers=True).split("comparison bits, by site")[1]
    assert row(text, "relu1") == ["relu1", "60", "21", "16"] and row(text, "relu2") == ["relu2", "40", "24", "128"]
    assert "by site" not in printed([make_card()], all_layers=True)


def test_comparison_bits_name_models_only_where_they_differ(make_card):
    alike = [make_card(protocol=protocol) for protocol in ("one-trip", "crypten")]
    assert "Comparison bits: 21 bits at the least" in printed(alike)
    other = make_card(protocol="one-trip", kept=(0, 40), name="other.onnx")
    text = printed([*alike, other])
    assert "Comparison bits, student.onnx: 21" in text and "Comparison bits, other.onnx: 24" in text


def test_what_costs_most_is_told_once_for_all_networks(make_card):
    text = printed([make_card(protocol="one-trip", network=network) for network in (make_card()["network"], WAN)])
    assert text.count("What costs most, one-trip, 100 ReLUs: on lan ") == 1 and "2 ReLU layers take 80.0 ms of" in text


def test_older_cards_show_everything_else(make_older, make_card):
    """Line by line what a card of today shows, without what older ones do not know."""
    today = make_card()
    lines, all_lines = (printed([made], width=1000).splitlines() for made in (make_older(), today))
    (headline,) = set(lines) - set(all_lines)
    assert headline.rstrip().endswith("received by one party.")
    unknown = ("student.onnx keeps", "offline, for each inference", *(what for what, *_ in offline_rows(today)))
    missing = [line.strip() for line in all_lines if line not in lines and line.strip(" ─")]
    assert all(line.startswith((*unknown, "measured")) for line in missing) and len(missing) == len(unknown) + 1


NAME = "resnet18-50k-with-a-long-name.onnx"


def test_a_name_is_whole_where_there_is_room_and_breaks_between_its_parts_where_there_is_none(make_card):
    cards = [make_card(name=NAME), make_card(protocol="crypten-plain", name=NAME)]
    assert NAME in printed(cards, width=110).splitlines()[5]
    lines = [line.split()[0] for line in printed(cards, width=80).splitlines() if line[1:].strip()]
    broken = [piece for piece in lines if piece in NAME]
    assert broken[:2] == ["resnet18-50k-with-a-", "long-name.onnx"]


def test_a_name_without_parts_breaks_anywhere_rather_than_being_cut(make_card):
    text = printed([make_card(name="x" * 60), make_card(protocol="crypten-plain", name="x" * 60)], width=80)
    assert max(map(len, text.splitlines())) <= 80
    table = text.split("ratios to")[1].split("takes")[0]
    assert sum(line.split()[0].count("x") for line in table.splitlines() if line.strip().startswith("x")) >= 120


def test_a_hostile_name_is_printed_as_text(make_card):
    text = printed([make_card(name="[red]a\x1b[2Jb.onnx")])
    assert "[red]a?[2Jb.onnx" in text and "\x1b" not in text


def test_a_narrow_terminal_gets_everything(make_card):
    text = printed([make_card(), make_card(protocol="crypten-plain")], width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
