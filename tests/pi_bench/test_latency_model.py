"""The latency model: it finds the costs that made-up cards were made with, and says how far off it is."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pi_bench.config.latency_model import COUNTS
from pi_bench.latency_fit import fit, model, relative_errors
from pi_bench.latency_model import chosen, main
from pi_bench.results import card

LAN = {"name": "lan", "rtt_ms": 0.3, "mbit_per_s": 3000.0, "emulated": True}
COSTS = np.array([3.0, 0.002, 1e-7, 0.5])
NETWORKS = [
    (5, 9000, 10**7, 7),
    (9, 20_000, 10**6, 12),
    (17, 4000, 5 * 10**7, 21),
    (2, 500, 3 * 10**6, 9),
    (30, 10**5, 10**8, 40),
    (12, 0, 2 * 10**7, 12),
]


def made_up(counts: tuple[int, ...], noise: float = 1.0, **changes: Any) -> dict[str, Any]:
    """What the model reads of a card: a layer for each ReLU layer and each linear one."""
    sites, relus, macs, linear = counts
    kept = [relus - sites + 1] + [1] * (sites - 1) if relus else []
    layers = [{"op": "ReLU", "relu_kept": k} for k in kept] + [{"op": "Conv", "relu_kept": 0}] * linear
    about = {"provider": "dealer", "batch": 1, "precision_bits": 16, "threads": 1, "hardware": {"cores": 2}}
    sites = len(kept)
    latency = float(np.array([sites, relus, macs, linear]) @ COSTS) * noise
    return {
        "network": LAN,
        "protocol": "crypten",
        **about,
        "macs": macs,
        "layers": [*layers, {"op": "Add", "relu_kept": 0}],
        "model": {"path": f"runs/net-{relus}.onnx", "architecture_digest": str(counts)},
        "online": {"latency_ms": {"median": latency}},
        **changes,
    }


def test_it_finds_what_cards_were_made_with() -> None:
    """Without noise exactly, and no error; cards of other networks and protocols are left out."""
    cards = [made_up(counts) for counts in NETWORKS]
    others = [made_up(NETWORKS[0], 7.0, protocol="crypten-plain"), made_up(NETWORKS[0], 7.0, network={**LAN, "name": "wan"})]
    found = model(chosen([*cards, *others], "lan", "crypten"))
    np.testing.assert_allclose([found["ms_per"][name] for name in COUNTS], COSTS, rtol=1e-6)
    assert found["error"]["networks"] == len(found["cards"]) == 6 and found["network"] == LAN
    assert found["error"]["fit"]["max_relative"] < 1e-6 > found["error"]["left_out"]["max_relative"]


def test_noise_shows() -> None:
    """By the fit, and more by networks that were left out of it; no cost is negative."""
    noisy = model(chosen([made_up(counts, 1 + 0.2 * (-1) ** i) for i, counts in enumerate(NETWORKS)], "lan", "crypten"))
    error = noisy["error"]
    assert 0.01 < error["fit"]["mean_relative"] < error["left_out"]["mean_relative"]
    assert error["fit"]["mean_relative"] <= error["fit"]["max_relative"]
    assert all(ms >= 0 for ms in noisy["ms_per"].values())
    assert (fit(np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 1.0]]), np.array([1.0, 5.0, 8.0])) >= 0).all()


def test_errors_by_hand() -> None:
    found = relative_errors(np.array([90.0, 220.0]), np.array([100.0, 200.0]))
    assert found == {"mean_relative": pytest.approx(0.1), "max_relative": pytest.approx(0.1)}


def test_cards_that_fix_no_model() -> None:
    with pytest.raises(ValueError, match=r"4 of 4 cards are of crypten on lan; a model takes 5 of different networks"):
        model(chosen([made_up(counts) for counts in NETWORKS[:4]], "lan", "crypten"))
    with pytest.raises(ValueError, match="a model takes 5 of different networks"):
        model(chosen([made_up(NETWORKS[0])] * 6, "lan", "crypten"))
    with pytest.raises(ValueError, match="too alike"):
        model(chosen([made_up((n, 100 * n, 10**6 * n, 2 * n)) for n in range(1, 7)], "lan", "crypten"))
    with pytest.raises(ValueError, match="cards differ in provider, batch"):
        model(chosen([made_up(counts, batch=1 + (counts[0] == 5)) for counts in NETWORKS], "lan", "crypten"))


def test_the_command(make_card: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole cards in, a file out; these cards of one network are refused in a line."""
    for kept in ((60, 40), (400, 100)):
        card.write(make_card(kept=kept), tmp_path / f"{sum(kept)}.json")
    arguments = [str(tmp_path), "--network", "lan", "--output", str(tmp_path / "model" / "lan.json")]
    assert main(arguments) == 2 and "a model takes 5 of different networks" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_the_committed_model_is_of_the_committed_cards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Made again from them it is the same, and no prediction is further off than it says."""
    results = Path(__file__).parents[2] / "results"
    assert main([str(results / "latency"), "--output", str(tmp_path / "lan.json")]) == 0
    assert "Off by" in capsys.readouterr().out
    again, committed = (json.loads(path.read_text()) for path in (tmp_path / "lan.json", results / "latency-lan.json"))
    for name in COUNTS:
        assert again["ms_per"][name] == pytest.approx(committed["ms_per"][name])
    measured = {found["model"]["path"]: found for found in map(card.read, sorted((results / "latency").glob("*.json")))}
    assert len(measured) == committed["error"]["networks"] >= 5
    for one in committed["cards"]:
        (found,) = (found for path, found in measured.items() if Path(path).name == one["model"])
        assert one["measured_ms"] == found["online"]["latency_ms"]["median"]
        error = abs(one["predicted_ms"] / one["measured_ms"] - 1)
        assert error <= committed["error"]["fit"]["max_relative"] + 1e-9
