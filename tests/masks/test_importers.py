"""Checkpoints of other codes, in the forms that they write: what is read, and what is refused."""

import pickle
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from masks import import_masks, random_mask, save_masks

SITES = {
    "relu": (2, 4, 4),
    "layer1.0.relu1": (2, 4, 4),
    "layer1.0.relu2": (2, 4, 4),
    "layer2.0.relu1": (4, 2, 2),
    "layer2.0.relu2": (4, 2, 2),
}
STEM, *BLOCKS = SITES


def some_masks(names: list[str]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: random_mask(SITES[name], 5, generator) for name in names}


def snl_state(masks: dict[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """Alphas just above and just below the threshold, in another order, among other weights."""
    state = {f"{prefix}{name.replace('relu', 'alpha')}.alphas": 0.0099 + 0.0002 * mask[None] for name, mask in masks.items()}
    return {f"{prefix}conv1.weight": torch.zeros(2, 3, 3, 3), **dict(reversed(state.items()))}


def autorep_state(masks: dict[str, Tensor]) -> dict[str, Tensor]:
    paths = ("layer1.0.relu", "layer2.0.relu")
    return {f"{path}.alpha_mask_{i}_0": mask.float() for path in paths for i, mask in enumerate(masks.values())}


def check(path: Path, expected: dict[str, Tensor], **options) -> None:
    found = import_masks(path, SITES, **options)
    assert list(found) == list(SITES)
    for name, mask in found.items():
        assert mask.dtype == torch.bool
        assert torch.equal(mask, expected.get(name, torch.zeros(SITES[name], dtype=torch.bool)))


def test_our_own_file(tmp_path: Path) -> None:
    save_masks(tmp_path / "masks", some_masks([*SITES]), network="toy", input_shape=(3, 4, 4))
    check(tmp_path / "masks", some_masks([*SITES]))


def test_rlnet(tmp_path: Path) -> None:
    masks = some_masks([*SITES])
    checkpoint = {
        "epoch": 3,
        "model": {"w": torch.ones(2)},
        "mask_epoch": [m.long() for m in masks.values()],
        "best_acc": 0.5,
    }
    torch.save(checkpoint, tmp_path / "checkpoint.pth")
    check(tmp_path / "checkpoint.pth", masks)


@pytest.mark.parametrize("prefix", ["", "module.", "1.module."])
@pytest.mark.parametrize("bare", [True, False])
def test_snl(tmp_path: Path, prefix: str, bare: bool) -> None:
    state = snl_state(some_masks(BLOCKS), prefix)
    torch.save(state if bare else {"arch": "resnet18_in", "state_dict": state, "optimizer": {}}, tmp_path / "snl.pth.tar")
    check(tmp_path / "snl.pth.tar", some_masks(BLOCKS))
    check(tmp_path / "snl.pth.tar", {}, threshold=0.02)


def test_snl_wide_resnet(tmp_path: Path) -> None:
    sites = {"block1.0.relu1": (2, 4, 4), "block1.0.relu2": (2, 4, 4), "relu": (2, 4, 4)}
    masks = some_masks(["layer1.0.relu1", "layer1.0.relu2"])
    state = {f"block1.layer.0.alpha{k}.alphas": mask[None].float() for k, mask in enumerate(masks.values(), 1)}
    torch.save({"state_dict": state}, tmp_path / "snl.pth.tar")
    found = import_masks(tmp_path / "snl.pth.tar", sites)
    assert list(found) == list(sites)
    assert not found["relu"].any()
    assert all(torch.equal(a, b) for a, b in zip(found.values(), masks.values(), strict=False))


@pytest.mark.parametrize("names", [BLOCKS, [*SITES]])
def test_autorep(tmp_path: Path, names: list[str]) -> None:
    torch.save({"epoch": 1, "state_dict": autorep_state(some_masks(names))}, tmp_path / "best.pth.tar")
    check(tmp_path / "best.pth.tar", some_masks(names))


def without(state: dict, part: str) -> dict:
    return {key: value for key, value in state.items() if part not in key}


RLNET = [mask.long() for mask in some_masks([*SITES]).values()]
SNL = snl_state(some_masks(BLOCKS))
AUTOREP = autorep_state(some_masks(BLOCKS))


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ({"mask_epoch": RLNET[1:]}, "has 4 masks, the network has 5 sites for them: relu, layer1.0.relu1"),
        (
            {"mask_epoch": [*RLNET[:3], RLNET[0], RLNET[4]]},
            r"layer2.0.relu1 has shape \(2, 4, 4\), in the network \(4, 2, 2\)",
        ),
        ({"mask_epoch": [2 * mask for mask in RLNET]}, "'relu'.* other values than 0 and 1"),
        ({"mask_epoch": torch.ones(3)}, "not a list of tensors"),
        ({"mask_epoch": [1, 2, 3, 4, 5]}, "not a list of tensors"),
        (without(SNL, "layer2.0.alpha2"), "no alphas for layer2.0.relu2"),
        (SNL | {"layer3.0.alpha1.alphas": torch.ones(1, 4, 2, 2)}, "layer3.0.alpha1.alphas .* no site of its own"),
        (SNL | {"module.layer1.0.alpha1.alphas": torch.ones(1, 2, 4, 4)}, "no site of its own"),
        (SNL | {"alphas.alphas": torch.ones(1, 2, 4, 4)}, "no site of its own"),
        (SNL | {"layer1.0.alpha1.alphas": torch.ones(1, 2, 4, 5)}, r"layer1.0.relu1 has shape \(2, 4, 5\)"),
        (SNL | {"layer1.0.alpha1.alphas": torch.ones(2, 4, 4)}, r"not a tensor \(1, C, H, W\)"),
        (SNL | {"layer1.0.alpha1.alphas": torch.full((1, 2, 4, 4), torch.nan)}, "of numbers"),
        (without(AUTOREP, "mask_1_"), "some in between are missing"),
        (without(AUTOREP, "mask_3_"), "has 3 masks, the network has 4 sites"),
        (AUTOREP | {"alpha_mask_0_1": torch.ones(2, 4, 4)}, "several sets"),
        ({"conv1.weight": torch.ones(3)}, "neither mask_epoch"),
        ({"state_dict": 3}, "neither mask_epoch"),
        ([RLNET], "neither mask_epoch"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, checkpoint, message: str) -> None:
    torch.save(checkpoint, tmp_path / "checkpoint.pth")
    with pytest.raises(ValueError, match=message) as caught:
        import_masks(tmp_path / "checkpoint.pth", SITES)
    assert "checkpoint.pth" in str(caught.value)


def test_a_namespace_needs_trust(tmp_path: Path) -> None:
    torch.save({"mask_epoch": RLNET, "opt": Namespace(lr=0.1)}, tmp_path / "resnet18_last.pth")
    with pytest.raises(ValueError, match=r"write a mask file with masks\.save_masks"):
        import_masks(tmp_path / "resnet18_last.pth", SITES)


class Bomb:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.parametrize("save", [torch.save, lambda bomb, path: path.write_bytes(pickle.dumps(bomb))])
def test_nothing_is_executed(tmp_path: Path, save) -> None:
    save({"mask_epoch": RLNET, "bomb": Bomb(tmp_path / "executed")}, tmp_path / "checkpoint.pth")
    with pytest.raises(ValueError, match="where you trust it"):
        import_masks(tmp_path / "checkpoint.pth", SITES)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x02", b"\x80\x04K\x01", b"[1]", b"\0" * 99])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(ValueError, match="where you trust it"):
        import_masks(tmp_path / "other", SITES)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save({"mask_epoch": RLNET}, tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    for length in range(1, len(data), len(data) // 40):
        (tmp_path / "part").write_bytes(data[:length])
        with pytest.raises(ValueError, match="where you trust it"):
            import_masks(tmp_path / "part", SITES)


def test_two_masks_for_one_call_of_autorep(tmp_path: Path) -> None:
    """The same mask stands under every module path of AutoReP's checkpoints; two that differ leave open which is in use."""
    sites = {"layer1.0.relu1": (2, 2, 2), "layer1.0.relu2": (2, 2, 2)}
    first, second = torch.ones(2, 2, 2), torch.zeros(2, 2, 2)
    state = {"relu.alpha_mask_0_0": first, "relu.alpha_mask_1_0": second, "layer1.0.relu.alpha_mask_0_0": first.clone()}
    torch.save(state, tmp_path / "same.pth")
    assert import_masks(tmp_path / "same.pth", sites)["layer1.0.relu1"].all()
    for other in (second, first.bool() & (torch.arange(8).view(2, 2, 2) > 0), torch.ones(8)):
        torch.save(state | {"layer1.0.relu.alpha_mask_0_0": other}, tmp_path / "other.pth")
        words = "other.pth has two masks for call 0, relu.alpha_mask_0_0 and layer1.0.relu.alpha_mask_0_0, which differ"
        with pytest.raises(ValueError, match=words):
            import_masks(tmp_path / "other.pth", sites)


@pytest.mark.parametrize("content", [b"", b"\x80\x02}q\x00.", b"PK\x03\x04", b"not a checkpoint"])
def test_a_damaged_checkpoint_is_told_in_our_own_words(tmp_path: Path, content: bytes) -> None:
    """Torch's words have colours, and for an empty file the advice to load it without safety."""
    (tmp_path / "masks.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"masks\.pth (is empty|is damaged|has neither)") as caught:
        import_masks(tmp_path / "masks.pth", {"relu": (1, 1, 1)})
    assert "weights_only" not in str(caught.value) and "\x1b" not in str(caught.value)
