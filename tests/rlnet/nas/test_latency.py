"""Predicted secure latency: read from a file, a limit like the others, in agreement with what was measured."""

import json
from pathlib import Path
from typing import Any

import pytest

from rlnet.models.specifications.reading import read as read_specification
from rlnet.nas.__main__ import main
from rlnet.nas.cost import Cost
from rlnet.nas.families import make_space
from rlnet.nas.latency import COUNTS, LatencyModel, read
from rlnet.nas.limits import Limits
from rlnet.nas.space_config import SpaceConfig
from rlnet.nas.written_limits import parse_latency

COMMITTED = Path(__file__).parents[3] / "results" / "latency-lan.json"
GOOD: dict[str, Any] = {
    "kind": "latency-model",
    "version": 1,
    "protocol": "crypten",
    "batch": 1,
    "network": {"name": "lan"},
    "ms_per": {"relu_layers": 4.0, "relus": 0.01, "macs": 1e-6, "linear_layers": 0.5},
    "error": {"left_out": {"mean_relative": 0.1}},
}
MODEL = LatencyModel("crypten", "lan", (4.0, 0.01, 1e-6, 0.5), 0.1)
SITES = (("a", (2, 10, 10)), ("b", (8, 10, 10)))


def test_a_prediction_by_hand(tmp_path: Path) -> None:
    """2 layers of 1,000 ReLUs, 3 million products in 4 layers: 8 + 10 + 3 + 2 ms."""
    (tmp_path / "model.json").write_text(json.dumps(GOOD))
    found = read(tmp_path / "model.json")
    assert found == MODEL and found.where == "by crypten on lan"
    cost = Cost(parameters=7, macs=3_000_000, relus=1000, comparisons=1000, layers=4, sites=SITES)
    assert found.predicted_ms(cost) == pytest.approx(23)
    with pytest.raises(ValueError, match="knows ReLUs only"):
        found.predicted_ms(Cost(7, 3_000_000, 1000, 1001, 4, SITES))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "secure-inference"}, "is no latency model; python -m pi_bench latency-model writes such a file"),
        ({"version": 2}, "is of version 2, this program reads version 1"),
        ({"ms_per": {"relus": 1.0}}, "is a damaged latency model"),
        ({"ms_per": {**GOOD["ms_per"], "macs": -1.0}}, r"-1.0 is not a number of at least 0"),
        ({"ms_per": {**GOOD["ms_per"], "macs": "1"}}, "'1' is not a number"),
        ({"ms_per": dict.fromkeys(COUNTS, 0)}, "does not say what each of"),
        ({"ms_per": {**GOOD["ms_per"], "bytes": 1.0}}, "and nothing else"),
        ({"network": "lan"}, "is a damaged latency model"),
        ({"batch": 4}, "is for batches of 4 images"),
    ],
)
def test_files_that_are_no_model(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps({**GOOD, **changes}))
    with pytest.raises(ValueError, match=message):
        read(path)
    path.write_text("{")
    with pytest.raises(ValueError, match="is no JSON, so no latency model"):
        read(path)
    path.write_text("[1]")
    with pytest.raises(ValueError, match="is no latency model"):
        read(path)


def test_a_limit_like_the_others() -> None:
    """excess, allow, given and check, beside a limit of ReLUs; the message names what the smallest network takes."""
    space = make_space("rnas-cl", SpaceConfig())
    least = Limits((3, 32, 32), 10).cost(space.smallest)
    smallest_ms = MODEL.predicted_ms(least)
    limits = Limits((3, 32, 32), 10, relus=10**6, latency_ms=1.05 * smallest_ms, latency_model=MODEL)
    assert limits.given == {"relus": 10**6, "latency_ms": 1.05 * smallest_ms}
    assert limits.excess(space.smallest)["latency_ms"] == pytest.approx(1 / 1.05 - 1) and limits.allow(space.smallest)
    assert not limits.allow(space.largest) and limits.excess(space.largest)["relus"] < 0
    limits.check(space.smallest)
    assert limits.quantities(least)["latency_ms"] == smallest_ms
    assert "latency_ms" not in Limits((3, 32, 32), 10).quantities(least)
    with pytest.raises(
        ValueError, match=rf"a latency of 5 ms is too short: .* takes {int(smallest_ms) + 1:,} ms by crypten on lan"
    ):
        Limits((3, 32, 32), 10, latency_ms=5.0, latency_model=MODEL).check(space.smallest)


def test_latencies_as_people_write_them() -> None:
    assert [parse_latency(text) for text in (None, "2.5s", "800ms", " 1 s ", "0.5ms")] == [None, 2500, 800, 1000, 0.5]
    for text in ("0s", "-1s", "2", "2.5", "2min", "fast", ""):
        with pytest.raises(ValueError, match=r"is no latency; write 2\.5s or 800ms"):
            parse_latency(text)


def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the command line, before anything is written."""
    file = tmp_path / "model.json"
    file.write_text(json.dumps(GOOD))
    base = ["--runs", str(tmp_path / "runs"), "--space.width", "0.03", "--device", "cpu"]
    given = [
        (["--max-latency", "2s"], "max_latency needs a --latency-model FILE"),
        (["--max-latency", "2", "--latency-model", str(file)], "is no latency; write 2.5s or 800ms"),
        (
            ["--max-latency", "1ms", "--latency-model", str(file)],
            "a latency of 1 ms is too short: the smallest network of this",
        ),
        (["--max-latency", "2s", "--latency-model", str(tmp_path / "none.json")], "there is no file"),
        (["--latency-model", str(file), "--space.name", "mbv3-published", "--space.width", "0.25"], "knows ReLUs only"),
    ]
    for more, message in given:
        assert main([*base, *more]) == 2
        assert message in capsys.readouterr().err and not (tmp_path / "runs").exists()


def test_the_committed_model_agrees_with_what_was_measured() -> None:
    """The networks count here what they counted as ONNX files, and take what the file says, to its error."""
    content, found = json.loads(COMMITTED.read_text()), read(COMMITTED)
    cards = {Path(one["model"]).stem: one for one in content["cards"]}
    limits = Limits((3, 32, 32), 10, latency_model=found)
    specs = sorted((COMMITTED.parent / "latency" / "specs").glob("*.json"))
    assert len(specs) == 8
    for path in specs:
        card, cost = cards[path.stem], limits.cost(read_specification(path))
        assert [len(cost.sites), cost.relus, cost.layers] == [card[n] for n in ("relu_layers", "relus", "linear_layers")]
        if path.stem != "cells":  # was measured when an `OddConv2d` ran as a 2x2 kernel of which three places are 0
            assert cost.macs == card["macs"] and found.predicted_ms(cost) == pytest.approx(card["predicted_ms"])
        assert found.predicted_ms(cost) == pytest.approx(
            card["measured_ms"], rel=content["error"]["fit"]["max_relative"] + 1e-3
        )
