import pytest

from pi_bench.results import card
from pi_bench.results.sentences import (
    comparison,
    correctness,
    fit_words,
    headline,
    labels,
    models,
    network_words,
    not_measured,
    ratio_words,
)


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
    )
    result["correctness"].update(dict.fromkeys(unknown))
    made = card.build(result, "")
    assert made["correctness"]["match_rate"] is None and made["correctness"]["accuracy"]["plain"] is None
    assert correctness(made) == "16 bits after the binary point; accuracy under encryption 90.0% (95% 78.6%-95.7%, 50 images)"
    assert "those of plaintext" in not_measured(made) and "wrapped" in not_measured(made)


def test_a_comparison_says_how_much_more_time_and_bytes(make_card):
    cards = [make_card(), make_card(protocol="crypten-plain")]
    (sentence,) = comparison(cards)
    assert sentence.startswith("student.onnx with crypten-plain (100 ReLUs) takes ")
    sent = [one["online"]["bytes_per_party"] for one in cards]
    assert f"{sent[1] / sent[0]:.2f}x the bytes of {labels(cards)[0]}" in sentence


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
