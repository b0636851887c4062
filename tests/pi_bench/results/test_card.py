import io
import json
import os

import pytest
from rich.console import Console

from pi_bench.results import card, markdown, page, terminal


def layers_ms(result, party, repeat):
    return result["repeats"][repeat][party]["layers_ms"]


def test_latency_is_the_slower_partys_and_the_layers_sum_to_the_median(make_result):
    for repeats in (1, 2, 5, 6):
        result = make_result(repeats=repeats)
        slower = [max(sum(turn["server"]["layers_ms"]), sum(turn["client"]["layers_ms"])) for turn in result["repeats"]]
        made = card.build(result, "command")
        ordered = sorted(slower)
        middle = (ordered[(repeats - 1) // 2] + ordered[repeats // 2]) / 2
        assert made["online"]["repeats_ms"] == pytest.approx(slower)
        assert made["online"]["latency_ms"]["median"] == pytest.approx(middle)
        assert sum(layer["ms"] for layer in made["layers"]) == pytest.approx(middle)
        assert made["online"]["latency_ms"]["n"] == repeats


def test_a_layers_time_is_that_of_the_central_repeat_not_a_median_of_its_own(make_result):
    result = make_result(repeats=3)
    for i, times in enumerate(([8.0, 1, 0, 0, 0, 0], [1.0, 9, 0, 0, 0, 0], [5.0, 6, 0, 0, 0, 0])):  # 9, 10, 11 in all
        result["repeats"][i] = {"server": {"layers_ms": times}, "client": {"layers_ms": [0.5] * 6}}
    assert [layer["ms"] for layer in card.build(result, "")["layers"][:2]] == [1, 9]


def test_layer_bytes_are_of_the_party_that_sends_more_in_all_even_where_the_other_sends_more(make_result):
    result = make_result()
    sizes = [(5, 0), (10, 30), (0, 0), (100, 0), (0, 0), (0, 9)]
    for layer, (server, client) in zip(result["layers"], sizes, strict=True):
        layer.update(server_bytes=server, client_bytes=client)
    made = card.build(result, "")
    assert made["online"]["bytes_per_party"] == 115
    assert made["online"]["bytes"] == {"server": 115, "client": 39}
    assert [layer["bytes_per_party"] for layer in made["layers"]] == [5, 10, 0, 100, 0, 0]
    assert made["layers"][1]["bytes"] == {"server": 10, "client": 30}


def test_compute_is_what_the_slower_party_did_not_wait(make_result):
    made = card.build(make_result(repeats=1, waiting=True), "")
    # 0.2 + 6 + 1 + 0.1 for the linear layers, 0.3 for each ReLU layer and 0.05 for each of 100 ReLUs
    assert made["online"]["compute_ms"] == pytest.approx(7.3 + 0.6 + 5)
    assert made["layers"][2]["compute_ms"] == pytest.approx(0.3 + 60 * 0.05)


def test_compute_is_unknown_where_waiting_was_not_measured(make_result):
    made = card.build(make_result(waiting=False), "")
    assert made["online"]["compute_ms"] is None
    assert made["prediction"]["lan"]["total_ms"] is None
    assert made["prediction"]["lan"]["rounds_ms"] > 0


def test_the_prediction_is_by_the_formulas_rounds_and_bytes_for_every_profile(make_result):
    result = make_result(repeats=1)
    for layer in result["layers"]:
        layer["rounds"] += 1000  # what was counted must not leak into what is predicted
    made = card.build(result, "")
    lan, wan = made["prediction"]["lan"], made["prediction"]["wan"]
    rounds = 2 * 9 + 2
    assert (lan["rounds_ms"], wan["rounds_ms"]) == pytest.approx((rounds * 0.15, rounds * 20))
    sent = 100 * 300 + 2 * 160 + 4000
    assert wan["bytes_ms"] == pytest.approx(sent * 8 / 400e6 * 1000)
    assert wan["total_ms"] == pytest.approx(wan["compute_ms"] + wan["rounds_ms"] + wan["bytes_ms"])
    assert lan["measured_ms"] == made["online"]["latency_ms"]["median"]
    assert wan["measured_ms"] is None
    assert made["online"]["predicted"]["rounds"] == rounds and made["online"]["rounds"] == rounds + 6000
    assert made["prediction"]["loopback"]["total_ms"] == made["online"]["compute_ms"]


def test_a_network_of_ones_own_has_a_prediction_too(make_result):
    own = {"name": "own", "rtt_ms": 10.0, "mbit_per_s": 50.0, "emulated": False}
    made = card.build(make_result(network=own), "")
    assert made["network"] == own
    assert made["prediction"]["own"]["measured_ms"] == made["online"]["latency_ms"]["median"]


def test_nothing_is_predicted_for_a_network_nobody_described(make_result):
    real = {"name": "real", "rtt_ms": None, "mbit_per_s": None, "emulated": False}
    made = card.build(make_result(network=real), "")
    assert "real" not in made["prediction"] and made["prediction"]["wan"]["measured_ms"] is None


def test_correctness_has_rates_with_intervals_beside_the_plain_accuracy(make_result):
    found = card.build(make_result(), "")["correctness"]
    assert found["match_rate"] == 49 / 50
    assert found["match_ci95"][0] < 49 / 50 < found["match_ci95"][1] <= 1
    assert (found["accuracy"]["encrypted"], found["accuracy"]["plain"]) == (45 / 50, 46 / 50)
    assert found["accuracy"]["ci95"][0] < 0.9 < found["accuracy"]["ci95"][1]
    assert card.build(make_result(labels=False), "")["correctness"]["accuracy"] is None


def test_relus_offline_and_setup_are_what_the_run_said(make_result):
    made = card.build(make_result(kept=(60, 0)), "the command")
    assert made["relu"]["sites"] == {"relu1": {"total": 400, "kept": 60}, "relu2": {"total": 100, "kept": 0}}
    assert (made["relu"]["total"], made["relu"]["kept"]) == (500, 60)
    assert made["offline"]["bytes_per_party"] == 900 * 60 + 100  # from the dealer and from the client
    assert made["offline"]["bytes"]["dealer_to_client"] == 32 and made["offline"]["held_bytes"]["client"] == 4000
    assert made["offline"]["seconds"] == pytest.approx(0.022)
    assert made["offline"]["seconds_by_role"]["dealer"] == pytest.approx(0.005)
    assert made["setup"]["bytes"] == {"server": 70_000, "client": 64, "dealer": 35_000}
    assert made["command"] == "the command"


def test_a_card_names_no_host_and_says_who_shared_a_machine(make_result):
    result = make_result()
    result["parties"]["client"]["host"] = "another-host"
    made = card.build(result, "")
    assert "host" not in json.dumps(made)
    assert {role: party["machine"] for role, party in made["parties"].items()} == {"server": 1, "client": 2, "dealer": 1}


def test_the_contracts_keys_are_there(make_card):
    made = make_card()
    contract = (
        "kind model protocol parties provider network relu macs online offline correctness layers versions hardware "
        "batch precision_bits threads trust prediction date commit command"
    )
    assert set(contract.split()) <= made.keys()
    assert {"name", "op", "relu_kept", "rounds", "bytes_per_party", "ms"} <= made["layers"][0].keys()
    assert made["date"] == "2026-01-02T00:00:00+00:00"


def test_a_run_without_repeats_is_refused(make_result):
    with pytest.raises(ValueError, match="at least 1 repeat"):
        card.build(make_result(repeats=0), "")


def test_a_card_is_read_as_it_was_written(make_card, tmp_path):
    path = tmp_path / "new" / "card.json"
    card.write(make_card(), path)
    assert card.read(path) == make_card()
    assert os.listdir(path.parent) == ["card.json"]


def test_a_card_from_before_there_were_modes_has_none(make_card, tmp_path):
    path = tmp_path / "card.json"
    path.write_text(json.dumps(without(make_card(mode="normal"), "model", "mode")))
    assert card.read(path) == make_card()


def test_a_card_says_which_images_answers_were_checked_on_and_an_older_one_does_not(make_card, make_older):
    """In the file only: nobody reads a digest."""
    made = make_card()
    assert made["correctness"]["images_sha256"] == "ef" * 32
    assert make_older()["correctness"]["images_sha256"] is None
    shown = io.StringIO()
    terminal.show([made], all_layers=True, console=Console(file=shown, width=200))
    assert "efef" not in shown.getvalue() + markdown.table([made]) + page.render([made])


def test_a_card_that_cannot_be_written_leaves_the_old_one(make_card, tmp_path):
    path = tmp_path / "card.json"
    card.write(make_card(), path)
    with pytest.raises(ValueError, match="JSON"):
        card.write({"kind": float("nan")}, path)
    assert card.read(path) == make_card() and os.listdir(tmp_path) == ["card.json"]


def without(made, *keys):
    inner = made
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    return made


def changed(made, value, *keys):
    inner = made
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return made


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda made: [made], "holds a list"),
        (lambda made: changed(made, "student", "kind"), "'student' instead of"),
        (lambda made: without(made, "online"), '"online" is missing'),
        (lambda made: without(made, "online", "latency_ms", "ci95"), '"online.latency_ms.ci95" is missing'),
        (lambda made: without(made, "layers", 1, "rounds"), '"layers.1.rounds" is missing'),
        (lambda made: changed(made, "fast", "online", "latency_ms", "median"), "\"online.latency_ms.median\" is 'fast'"),
        (lambda made: changed(made, True, "batch"), '"batch" is True'),
        (lambda made: changed(made, 1, "model", "mode"), '"model.mode" is 1'),
        (lambda made: changed(made, [], "relu", "sites"), '"relu.sites" has to be keys'),
        (lambda made: changed(made, {}, "layers"), '"layers" has to be a list'),
        (lambda made: changed(made, [], "layers"), '"layers" is empty'),
        (lambda made: changed(made, {"slope": 1}, "fit"), '"fit.slope_ms_per_relu" is missing'),
        (lambda made: changed(made, {"plain": 1}, "correctness", "accuracy"), '"correctness.accuracy.encrypted" is'),
        (lambda made: changed(made, ["a", "b"], "correctness", "match_ci95"), "\"correctness.match_ci95.0\" is 'a'"),
        (lambda made: changed(made, [1, 2, 3], "online", "latency_ms", "ci95"), "has to be a list of two"),
    ],
)
def test_what_is_no_card_is_refused_with_its_place(make_card, tmp_path, spoil, text):
    path = tmp_path / "card.json"
    path.write_text(json.dumps(spoil(make_card())))
    with pytest.raises(ValueError, match="is no card of a secure run") as raised:
        card.read(path)
    assert text in str(raised.value)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000], ids=["cut", "binary", "deep"])
def test_what_is_no_json_is_refused(tmp_path, content):
    path = tmp_path / "card.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is no JSON"):
        card.read(path)


def test_a_number_that_json_cannot_hold_is_refused(make_card, tmp_path):
    path = tmp_path / "card.json"
    path.write_text(json.dumps(changed(make_card(), float("inf"), "online", "latency_ms", "median")))
    with pytest.raises(ValueError, match="which it cannot be"):
        card.read(path)
