import io

import pytest
from rich.console import Console

from pi_bench.results import card, terminal
from pi_bench.results.sentences import ratio_words
from pi_bench.units import times

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


def test_a_hostile_name_is_printed_as_text(make_card):
    text = printed([make_card(name="[red]a\x1b[2Jb.onnx")])
    assert "[red]a?[2Jb.onnx" in text and "\x1b" not in text


def test_a_narrow_terminal_gets_everything(make_card):
    text = printed([make_card(), make_card(protocol="crypten-plain")], width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
