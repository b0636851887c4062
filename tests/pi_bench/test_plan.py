import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pi_bench import plan, planning
from pi_bench.budget import with_kept
from pi_bench.config.plan import parse_latency
from pi_bench.cost import Cost, predicted_ms
from pi_bench.model.graph import load
from pi_bench.protocols import registry
from pi_bench.protocols.settings import Settings
from pi_bench.results import card
from pi_bench.wire.network import PROFILES

MACS = 2 * 9 * 16 + 2 * 2 * 16  # two convolutions of 2 maps of 4x4: 1 -> 2 by 3x3, 2 -> 2 by 1x1


@pytest.fixture
def model(tmp_path):
    """An ONNX file: convolution, 32 ReLUs, convolution, 32 ReLUs."""
    weights = [
        numpy_helper.from_array(np.full(shape, 0.1, np.float32), name)
        for name, shape in (("w", (2, 1, 3, 3)), ("v", (2, 2, 1, 1)))
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu1"),
        helper.make_node("Conv", ["r", "v"], ["d"], "conv2"),
        helper.make_node("Relu", ["d"], ["y"], "relu2"),
    ]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, 4, 4]) for n, c in (("x", 1), ("y", 2))]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights)
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return path


@pytest.fixture
def card_of(make_result, model, tmp_path):
    """Writes a card of the model: 7.3 ms without ReLUs, 0.3 ms a layer and 0.05 ms a ReLU."""
    names = [relu.name for relu in load(model).architecture.relus]

    def make(**changes):
        result = make_result(kept=(20, 5), total=(32, 32), repeats=1, **changes)
        result["model"]["macs"] = MACS
        for layer in result["layers"]:
            layer["name"] = {"relu1": names[0], "relu2": names[1]}.get(layer["name"], layer["name"])
        path = tmp_path / "card.json"
        card.write(card.build(result, ""), path)
        return path

    return make


@pytest.mark.parametrize(
    ("text", "ms"),
    [("2s", 2000), ("450ms", 450), ("1.5", 1500), (" .5 s ", 500), ("2min", 120_000), ("3.", 3000), ("1e3", None)],
)
def test_latencies(text, ms):
    if ms is None:
        with pytest.raises(ValueError, match="450ms"):
            parse_latency(text)
    else:
        assert parse_latency(text) == ms


@pytest.mark.parametrize("text", ["", "fast", "-2s", "0", "0ms", "2 h", "nan", "9" * 400, "\u0661s"])
def test_what_is_no_latency_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="write 2s, 450ms or"):
        parse_latency(text)


def answered(capsys, *arguments):
    assert plan.main([*map(str, arguments), "--json", "--protocol", "crypten"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_answer_meets_the_target_by_the_protocols_own_costs_and_one_relu_more_does_not(model, card_of, capsys):
    architecture, network = load(model).architecture, PROFILES["lan"]

    def latency_ms(kept: dict[str, int]) -> float:
        compute_ms = 7.3 + sum(0.3 + 0.05 * k for k in kept.values() if k)
        return predicted_ms(
            registry.costs(with_kept(architecture, kept), Settings("crypten")).values(), network, compute_ms
        ).total_ms

    first, second = (relu.name for relu in architecture.relus)
    target_ms = latency_ms({first: 20, second: 20}) + 0.001
    found = answered(capsys, model, "--latency", f"{target_ms}ms", "--network", "lan", "--card", card_of())
    assert (found["outcome"], found["best"]["budget"]) == ("budget", 40)
    assert found["best"]["total_ms"] == pytest.approx(latency_ms(found["best"]["kept"]))
    assert found["best"]["total_ms"] <= target_ms
    more = {**found["best"]["kept"], first: found["best"]["kept"][first] + 1}
    assert latency_ms(more) > target_ms
    assert found["timing"] == pytest.approx({"linear_ms": 7.3, "layer_ms": 0.3, "relu_ms": 0.05})


def said(capsys, *arguments):
    assert plan.main([*map(str, arguments), "--protocol", "crypten"]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_all_relus(model, card_of, capsys):
    text = said(capsys, model, "--latency", "1min", "--network", "wan", "--card", card_of())
    assert "All 64 ReLUs meet 60.0 s on wan (400 Mbit/s, 40 ms round trip, emulated)" in text
    assert "Predicted, not measured" in text and "Offline time is not in it" in text


def test_offline_is_a_limit_of_its_own(model, card_of, capsys):
    """Of one-trip, whose ReLUs are dear offline: as many as fit, and one more does not."""
    path, architecture = card_of(protocol="one-trip"), load(model).architecture
    settings = planning.settings_of(card.read(path), architecture, "one-trip")

    def offline(kept):
        return sum(registry.costs(with_kept(architecture, kept), settings).values(), Cost()).offline_bytes

    limit = offline(dict.fromkeys((relu.name for relu in architecture.relus), 10)) + 1
    flags = ["--latency", "1min", "--card", str(path), "--offline-mb", str(limit / 1e6)]
    assert plan.main([str(model), *flags, "--json"]) == 0
    best = json.loads(capsys.readouterr().out)["best"]
    assert best["budget"] == 20 and best["offline_bytes"] == offline(best["kept"]) <= limit
    assert plan.main([str(model), *flags]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "is 20 of 64" in text and "offline" in text and "A ReLU layer costs 40.0 ms of round trips" in text
    assert plan.main([str(model), "--latency", "1min", "--card", str(path), "--offline-mb", "0.0001"]) == 0
    assert "Not even zero ReLUs do" in " ".join(capsys.readouterr().out.split())


def test_rounds_alone_exceed_the_target(model, card_of, capsys):
    rounds = sum(cost.rounds for cost in registry.costs(load(model).architecture, Settings("crypten")).values())
    text = said(capsys, model, "--latency", "300ms", "--network", "wan", "--card", card_of())
    assert "No ReLU budget that keeps a ReLU in each of the 2 layers meets 300 ms" in text
    assert f"Its rounds alone exceed it: {rounds} rounds x 20 ms (half the RTT) = {rounds * 20} ms" in text
    second = load(model).architecture.relus[1].name
    assert f"At most 1 of them may keep any. Without {second} (those that keep fewest), the largest budget is 32" in text


def test_a_network_of_ones_own(model, card_of, capsys):
    found = answered(capsys, model, "--latency", "1s", "--rtt-ms", "0", "--mbit-per-s", "0.1", "--card", card_of())
    assert found["network"] == {"name": "custom", "rtt_ms": 0, "mbit_per_s": 0.1, "emulated": True}
    assert found["best"]["rounds_ms"] == 0 and found["best"]["total_ms"] <= 1000


def test_not_even_zero_relus(model, card_of, capsys):
    text = said(capsys, model, "--latency", "5ms", "--network", "loopback", "--card", card_of())
    assert "With one ReLU each: " in text and "Not even zero ReLUs do: 7.30 ms" in text


def test_without_a_card_the_model_is_measured(model, card_of, capsys):
    asked = []

    def measure(path, protocol, mode):
        asked.append((path, protocol, mode))
        return card.read(card_of())

    plan.plan(model, plan.PlanConfig("1min", protocol="crypten"), measure)
    assert asked == [(model, "crypten", None)] and "All 64" in capsys.readouterr().out


def test_a_mode(model, card_of, capsys):
    """The convolution's weights by mode, which cost the same; the mode that is measured is the one that was asked for."""
    found = onnx.load(model)
    found.graph.input.append(helper.make_tensor_value_info("mode", TensorProto.INT64, []))
    found.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((2, 2, 1, 3, 3), np.float32), "by mode"))
    found.graph.node.insert(0, helper.make_node("Gather", ["by mode", "mode"], ["w"]))
    onnx.save(found, model)
    asked = []

    def measure(path, protocol, mode):
        asked.append(mode)
        return card.read(card_of())

    for given, mode in ((None, "0"), ("1", "1")):
        plan.plan(model, plan.PlanConfig("1min", protocol="crypten", mode=given), measure)
        assert asked[-1] == mode and f"This is of mode {mode}." in capsys.readouterr().out
    assert answered(capsys, model, "--latency", "1min", "--mode", "1", "--card", card_of())["mode"] == "1"
    assert plan.main([str(model), "--latency", "1min", "--mode", "2", "--card", str(card_of()), "--protocol=crypten"]) == 2
    assert "no value in this mode" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"protocol": "crypten-plain"}, "of the protocol crypten-plain, not crypten"),
        ({"waiting": False}, "measure one on loopback"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(model, card_of, capsys, changes, text):
    assert plan.main([str(model), "--latency", "1s", "--card", str(card_of(**changes)), "--protocol=crypten"]) == 2
    assert text in capsys.readouterr().err


def test_a_card_of_another_network_is_refused(model, make_card, tmp_path, capsys):
    card.write(make_card(), tmp_path / "card.json")
    assert plan.main([str(model), "--latency", "1s", "--card", str(tmp_path / "card.json"), "--protocol=crypten"]) == 2
    assert "of another network (37,000,000 multiplications, 500 ReLUs)" in capsys.readouterr().err


def test_a_loopback_card_without_waiting_times_will_do(model, card_of):
    loopback = {"name": "loopback", "rtt_ms": None, "mbit_per_s": None, "emulated": False}
    made = card.read(card_of(waiting=False, network=loopback))
    assert planning.timing_of(made, load(model).architecture).relu_ms == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--latency", "soon"], "'soon' is no latency"),
        (["--latency", "1s", "--network", "moon"], "no network 'moon'"),
        (["--latency", "1s", "--network", "real"], "nobody knows the delay"),
        (["--latency", "1s", "--protocol", "magic"], "no protocol 'magic'"),
        (["--latency", "1s", "--offline-mb", "-3"], "offline_mb is -3.0"),
        ([], "latency"),
    ],
)
def test_what_a_user_gets_wrong_is_said_in_a_line(model, capsys, arguments, text):
    assert plan.main([str(model), *arguments]) == 2
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1
