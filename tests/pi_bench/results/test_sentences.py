import pytest

from pi_bench.results import card
from pi_bench.results.sentences import (
    comparison,
    comparison_bits,
    correctness,
    correctness_cells,
    fit_words,
    headline,
    labels,
    models,
    network_words,
    not_measured,
    offline_rows,
    ratio_words,
    received,
    site_rows,
)
from pi_bench.units import duration, size


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/b/student.onnx"], ["student.onnx"]),
        (["a/b.onnx", "a/b.onnx"], ["b.onnx", "b.onnx"]),
        (["runs/relu-50k/student/s.onnx", "runs/relu-0/student/s.onnx"], ["relu-50k", "relu-0"]),
        (["a.onnx", "b.onnx"], ["a.onnx", "b.onnx"]),
        (["x/a.onnx", "x/y/a.onnx"], ["a.onnx", "y/a.onnx"]),
        (["teacher.onnx", "runs/s.onnx", "runs/s.onnx"], ["teacher.onnx", "runs/s.onnx", "runs/s.onnx"]),
    ],
)
def test_models_are_named_by_what_tells_them_apart(make_card, paths, names):
    assert models([make_card(name=path) for path in paths]) == names


def test_modes_tell_cards_of_one_file_apart(make_card):
    cards = [make_card(mode="normal"), make_card(mode="adversarial"), make_card()]
    assert models(cards) == ["student.onnx (normal)", "student.onnx (adversarial)", "student.onnx"]
    assert headline(cards[1]).startswith("student.onnx in mode adversarial keeps 100 of 500 ReLUs.")
    assert headline(cards[2]).startswith("student.onnx keeps 100 of 500 ReLUs.")


def test_a_batch_is_named_in_the_headline(make_card):
    assert "a batch of 8 images" in headline({**make_card(), "batch": 8})
    assert "For one image" in headline(make_card())


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (("loopback", None, None, False), "loopback (one machine, nothing added)"),
        (("real", None, None, False), "a real network"),
        (("custom", 10.0, None, True), "custom (no limit, 10 ms round trip, emulated)"),
    ],
)
def test_a_network_is_described(network, words):
    assert network_words(dict(zip(("name", "rtt_ms", "mbit_per_s", "emulated"), network, strict=True))) == words


def test_what_was_not_measured_follows_from_the_run(make_card):
    assert "accuracy" not in not_measured(make_card()) and "a real network" in not_measured(make_card())
    without = not_measured(make_card(labels=False, waiting=False, repeats=20))
    assert "no labels" in without and "computing" in without and "repeats" not in without
    assert "(5; 20" in not_measured(make_card())
    loopback = {"name": "loopback", "rtt_ms": None, "mbit_per_s": None, "emulated": False}
    assert "all parties ran on one machine" in not_measured(make_card(network=loopback))


def test_correctness_without_labels_says_nothing_of_accuracy(make_card):
    assert "accuracy" in correctness(make_card()) and "accuracy" not in correctness(make_card(labels=False))


def test_a_client_alone_says_what_it_does_not_know(make_result):
    result = make_result()
    unknown = (
        "matches",
        "plain_correct",
        "max_abs_logit_error",
        "mean_abs_logit_error",
        "wraps",
        "wrapped_images",
        "expected_wraps",
        "out_of_range",
    )
    result["correctness"].update(dict.fromkeys(unknown))
    made = card.build(result, "")
    assert made["correctness"]["match_rate"] is None and made["correctness"]["accuracy"]["plain"] is None
    assert correctness(made) == "16 bits after the binary point; accuracy under encryption 90.0% (95% 78.6%-95.7%, 50 images)"
    assert "those of plaintext" in not_measured(made) and "wrapped" in not_measured(made)


def test_values_out_of_range_are_told_where_a_comparison_has_a_range(make_result):
    result = make_result(protocol="one-trip")
    result["correctness"]["out_of_range"] = 1234
    made = card.build(result, "")
    assert "1,234 values out of the range of their comparison" in correctness(made)
    assert correctness_cells(made)[3:5] == ["1", "1,234"]
    assert "out of the range" not in correctness({**made, "comparison": None})


def test_an_older_card_does_not_know_of_values_out_of_range(make_older):
    assert correctness_cells(make_older())[3:5] == ["1", "-"]


@pytest.mark.parametrize(("more", "sent"), [("server", (5, 6, 2, 0)), ("client", (5, 6, 2, 3))])
def test_the_party_that_receives_more_is_named_and_its_bytes_are_the_cards(make_result, more, sent):
    result = make_result()
    result["offline"]["bytes"] = dict(zip(result["offline"]["bytes"], sent, strict=True))
    made = card.build(result, "")
    who, by_sender = received(made)
    assert who == f"the {more}" and sum(by_sender.values()) == made["offline"]["bytes_per_party"]
    assert by_sender["dealer"] == (5 if more == "server" else 6)
    assert f"received by the {more}." in headline(made)


def test_an_older_card_does_not_know_who_receives_more(make_older):
    made = make_older()
    assert received(made) == ("one party", {"unknown": 90_100})
    assert headline(made).endswith("90.1 kB received by one party.")
    assert offline_rows(made) == site_rows(made) == [] and comparison_bits(made) is None


def test_the_offline_phase_by_direction_and_role(make_result):
    result = make_result()
    result["offline"]["predicted"]["client_to_server"] = 99
    result["offline"]["ahead"] = {"server": {"inferences": 3, "memory_bytes": 2000, "disk_bytes": 1000}}
    made = card.build(result, "")
    offline, rows = made["offline"], {what: said for what, *said in offline_rows(made)}
    assert rows["dealer to server"] == [size(offline["bytes"]["dealer_to_server"])] * 2
    assert rows["client to server"] == ["100 B", "99 B"]
    for role in ("server", "client", "dealer"):
        assert rows[f"time of the {role}"] == [duration(1000 * offline["seconds_by_role"][role]), ""]
        assert rows[f"most memory that the {role} has had"] == [size(offline["peak_bytes"][role]), ""]
    assert rows["held by the server until it is used"] == ["5.00 kB", ""]
    assert rows["held by the server before the first image"] == ["3 inferences: 2.00 kB in memory, 1.00 kB on disk", ""]


@pytest.mark.parametrize(
    ("bits", "images", "words"),
    [
        ({"a": 21, "b": 28}, 16, "21 bits at the least, 28 at the most, so that values 8 times as large as the largest of 16"),
        ({"a": 21, "b": 21}, 16, "21 bits at every site, so that values 8 times as large as"),
        ({"a": 48, "b": 48}, None, "48 bits at every site, which are all there are"),
        ({"a": 30, "b": 30}, None, "30 bits at every site, as they were given"),
    ],
)
def test_how_comparison_bits_were_chosen(make_card, bits, images, words):
    made = {**make_card(), "comparison": {"bits": bits, "calibration_images": images, "safety": 8}}
    assert comparison_bits(made).startswith(words)


def test_a_site_is_right_for_values_that_its_bits_can_tell_apart(make_card):
    """k bits are right for |y| < 2^(k - 1) in units of 2^-16."""
    rows = site_rows(make_card(protocol="one-trip"))
    assert rows == [("relu1", "60", "21", "16"), ("relu2", "40", "24", "128")]


def test_a_comparison_says_how_much_more_time_and_bytes(make_card):
    cards = [make_card(), make_card(protocol="crypten-plain")]
    (sentence,) = comparison(cards)
    assert sentence.startswith("student.onnx with crypten-plain (100 ReLUs) takes ")
    sent = [one["online"]["bytes_per_party"] for one in cards]
    assert f"{sent[1] / sent[0]:.2f}x the bytes of {labels(cards)[0]}" in sentence


def test_many_are_compared_in_tables_only(make_card):
    few = [make_card(kept=(kept, 0)) for kept in (1, 2, 3, 4)]
    assert len(comparison(few)) == 3 and comparison([*few, make_card()]) == []


def test_two_alike_have_a_ratio_of_one(make_card):
    assert ratio_words(make_card(), make_card()) == "1.00x (1.00-1.00)"


def test_a_fit_is_told_per_thousand_relus():
    fit = {
        "slope_ms_per_relu": 0.0025,
        "slope_ci95": [0.002, 0.003],
        "intercept_ms": 200.0,
        "r2": 0.99912,
        "budgets": [1, 2, 3],
    }
    assert fit_words(fit) == "2.5 ms per 1,000 kept ReLUs (95% 2-3) above 200 ms, R² 0.9991 over 3 budgets"
