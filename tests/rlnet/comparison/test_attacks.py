"""Attacks are timed beside other code's on the same images, and both robust accuracies are counted alike."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rlnet.benchmark import main
from rlnet.comparison.attacks import AttackTimer, references
from rlnet.models import ModeNetwork, NetworkConfig
from rlnet.trained import Facts, to_content
from rlnet.training import checkpoint

EPS, FRACTION, CLASSES = 8 / 255, 0.25, 5


@pytest.fixture(scope="module")
def network(tiny_network: Callable[..., ModeNetwork]) -> ModeNetwork:
    return tiny_network(keep=0.4)


def test_both_sides_are_counted_alike(network: ModeNetwork, generator: torch.Generator) -> None:
    """FGSM has no random numbers: the same images are left, those that were wrong before count on neither side."""
    x = torch.rand(300, 1, 8, 8, generator=generator)
    labels = network(x, mode="adversarial").argmax(dim=1)
    labels[::3] = (labels[::3] + 1) % CLASSES
    batches: list[None] = []
    timer = AttackTimer(network, "adversarial", EPS, FRACTION, also_bf16=True)
    found = timer.time("fgsm", x, labels, lambda: batches.append(None))
    reference, bf16 = (found["references"][name] for name in ("torchattacks", "ours, searching in bf16"))
    assert len(batches) == 6  # two batches on three sides
    assert bf16["robust_accuracy"] == pytest.approx(found["ours"]["robust_accuracy"], abs=3 / 300)
    assert bf16["total_ratio"] == pytest.approx(sum(bf16["ms_per_image"]) / sum(found["ours"]["ms_per_image"]))
    assert found["images"] == 300 and 0 < found["ours"]["robust_accuracy"] < 2 / 3
    assert reference["robust_accuracy"] == pytest.approx(found["ours"]["robust_accuracy"], abs=1 / 300)
    assert reference["only_ours_robust"] + reference["only_reference_robust"] <= 1
    ours, theirs = found["ours"]["ms_per_image"], reference["ms_per_image"]
    assert len(ours) == len(theirs) == 2 and min(*ours, *theirs) > 0
    assert reference["ratio"] == pytest.approx([b / a for a, b in zip(ours, theirs, strict=True)])
    assert reference["total_ratio"] == pytest.approx(sum(theirs) / sum(ours))


def test_settings_of_the_references(network: ModeNetwork) -> None:
    """Those of ours; AutoAttack also as torchattacks ships it."""
    pgd = references("pgd-20", network, EPS, FRACTION, CLASSES)["torchattacks"]
    assert (pgd.eps, pgd.alpha, pgd.steps, pgd.random_start) == (EPS, EPS / 4, 20, True)
    found = references("autoattack", network, EPS, FRACTION, CLASSES)
    steps = {label: [stage.steps for stage in found[label]._autoattack.attacks[:3]] for label in list(found)[:2]}
    assert steps == {"torchattacks": [10, 10, 10], "torchattacks, 100 steps": [100, 100, 100]}
    assert list(found)[2] == "its authors'"
    assert len(references("autoattack", network, EPS, FRACTION, CLASSES, authors=False)) == 2
    with pytest.raises(ValueError, match="'deepfool' cannot be compared with torchattacks; use pgd-N, fgsm"):
        references("deepfool", network, EPS, FRACTION, CLASSES)


def test_the_command(
    network: ModeNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = Facts(NetworkConfig(width=4), "digits", tuple("0123456789"), (3, 32, 32), (0.4,) * 3, (0.3,) * 3)
    checkpoint.save(tmp_path / "best.pt", to_content(facts.build().eval(), facts))
    arguments = ["evaluate", f"--path={tmp_path}", "--images=12", "--corrupted_images=4", "--repeats=1", "--device=cpu"]
    small = [*arguments, "--attacks=pgd-2", "--corruptions=fog", "--also_bf16=true", f"--output={tmp_path / 'card.json'}"]
    assert main(small) == 0
    printed = capsys.readouterr().out
    card = json.loads((tmp_path / "card.json").read_text())
    pgd = card["attacks"]["pgd-2"]
    assert card["kind"] == "evaluation benchmark" and pgd["images"] == 12
    assert f"{pgd['references']['torchattacks']['total_ratio']:.2f}x" in printed
    assert list(pgd["references"]) == ["ours, searching in bf16", "torchattacks"]
    assert card["corruptions"]["sets"] == 5 and card["corruptions"]["images"] == 4
    assert {"torchattacks", "pyautoattack"} <= set(card["versions"])
    for more, words in (
        ("--attacks=deepfool", "'deepfool' cannot be compared"),
        ("--images=0", "images is 0; a benchmark needs at least 1"),
        ("--corruptions=fogg", "did you mean fog?"),
        (f"--output={tmp_path}/none/card.json", "does not exist"),
        ("--path=/nowhere", "/nowhere is neither a checkpoint"),
    ):
        assert main([*arguments, more]) == 2
        assert words in capsys.readouterr().err
