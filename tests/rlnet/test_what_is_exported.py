"""What an ONNX file says of itself, and what it is called: of which mode, of which classes, which ReLUs it keeps."""

import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

import rlnet.models.onnx_file
from masks import count_kept, find_sites, get_masks, load_masks, masks_digest, masks_of, save_masks
from rlnet.export import main
from rlnet.models import ModeNetwork, NetworkConfig
from rlnet.models.onnx_file import metadata
from rlnet.trained import Facts, to_content
from rlnet.training import checkpoint

CLASSES = ("bird", "cat", "dog", "eel", "fox")


@pytest.mark.parametrize("keep", [None, 0.3])
def test_the_sites_and_the_budget_are_the_networks(tiny_network: Callable[..., ModeNetwork], keep: float | None) -> None:
    network = tiny_network(keep=keep)
    example = next(network.parameters()).new_zeros(1, 1, 8, 8)
    sites = find_sites(network, example)
    found = metadata(network, (1, 8, 8), "adversarial", CLASSES)
    assert found["rlnet.mode"] == "adversarial" and "modes" not in found
    assert json.loads(found["rlnet.classes"]) == list(CLASSES)
    assert json.loads(found["rlnet.sites"]) == list(sites)
    masks = masks_of(network, sites)
    assert int(found["rlnet.budget"]) == count_kept(masks)
    assert (int(found["rlnet.budget"]) == sum(c * h * w for c, h, w in sites.values())) == (keep is None)
    assert found["rlnet.masks_sha256"] == masks_digest(masks)


def test_the_digest_is_that_of_the_mask_file(tiny_network: Callable[..., ModeNetwork], tmp_path: Path) -> None:
    masks = get_masks(tiny_network(keep=0.3))
    save_masks(tmp_path / "masks.json", masks, network="resnet18", input_shape=(1, 8, 8))
    assert json.loads((tmp_path / "masks.json").read_text())["sha256"] == masks_digest(masks)
    assert masks_digest(load_masks(tmp_path / "masks.json")) == masks_digest(masks)
    name = next(iter(masks))
    assert masks_digest(masks | {name: ~masks[name]}) != masks_digest(masks)


def test_a_file_of_both_modes_names_them_in_order(tiny_network: Callable[..., ModeNetwork]) -> None:
    found = metadata(tiny_network(), (1, 8, 8), "both", ())
    assert found["modes"] == "normal,adversarial" and "rlnet.mode" not in found and "rlnet.classes" not in found


@pytest.mark.parametrize(
    ("mode", "name"), [("normal", "student.onnx"), ("adversarial", "student-adversarial.onnx"), ("both", "student-both.onnx")]
)
def test_another_mode_has_another_name(
    tiny_network: Callable[..., ModeNetwork],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mode: str,
    name: str,
) -> None:
    """And says so; a graph is not needed for that, which takes seconds to make."""
    monkeypatch.setattr(rlnet.models.onnx_file, "_program", lambda *arguments: _Program())
    monkeypatch.setattr(rlnet.models.onnx_file, "optimize", lambda *arguments, **options: None)
    facts = Facts(NetworkConfig(width=4), "toy", CLASSES, (1, 8, 8), (0.4,), (0.3,))
    (tmp_path / "student").mkdir()
    checkpoint.save(tmp_path / "student/best.pt", to_content(tiny_network(keep=0.3), facts))
    assert main([str(tmp_path / "student"), f"--mode={mode}"]) == 0
    assert sorted(path.name for path in (tmp_path / "student").glob("*.onnx")) == [name]
    assert name in capsys.readouterr().out
    found = {entry.key: entry.value for entry in onnx.load(tmp_path / "student" / name).metadata_props}
    assert found.get("rlnet.mode", found.get("modes")) == ("normal,adversarial" if mode == "both" else mode)
    assert json.loads(found["rlnet.classes"]) == list(CLASSES)


class _Program:
    """An exported graph without nodes."""

    def __init__(self) -> None:
        self.model = type("Model", (), {"graph": ()})()
        self.model_proto = onnx.ModelProto()
