"""The main job keeps its contract: the files of a run, the keys of its cards, exact budgets, reuse of what is there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest
import torch
import yaml

import rlnet
import rlnet.stages.mask_search
import rlnet.stages.student
import rlnet.stages.teacher
from masks import get_masks, load_masks
from rlnet.cli import command
from rlnet.config import Config
from rlnet.finetune import finetune, main
from rlnet.mask_search import search_masks
from rlnet.teacher import train_teacher

TOTAL, BUDGET = 8_704, 3_133  # ResNet-18 at width 4, stride 2: 557,056 / 16 / 4; 36% of it, rounded
PICTURES = {"losses.png", "relus.png", "masks.png", "batch_norm.png"}
FILES = {"config.yaml", "images.json", "metrics.jsonl", "last.pt", "best.pt", "card.json"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, flags: Callable[..., list[str]]) -> Path:
    """The experiment's folder after one whole run from the command line."""
    runs = tmp_path_factory.mktemp("finished") / "runs"
    evaluation = {"attacks": ("pgd-2", "pgd-1"), "corruptions": ("benchmark",), "corruption_limit": 2, "attack_limit": 20}
    epochs = {name: {"epochs": 1} for name in ("teacher", "search", "finetune")}
    assert main(flags(runs, evaluation=evaluation, tensorboard=True, **epochs)) == 0
    return runs / "digits"


@pytest.fixture(scope="module")
def card(finished: Path) -> dict:
    return json.loads((finished / f"relu-{BUDGET}/student/card.json").read_text())


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_a_run_leaves_these_files(finished: Path) -> None:
    expected = {f"teacher/{name}" for name in FILES}
    expected |= {f"relu-{BUDGET}/masks/{name}" for name in FILES | {"masks.json"}}
    expected |= {f"relu-{BUDGET}/student/{name}" for name in FILES | {"student.onnx", "switch.json"} | PICTURES}
    found = {path.relative_to(finished) for path in finished.rglob("*") if path.is_file()}
    events = {path for path in found if path.name.startswith("events.out.tfevents.")}
    assert {path.as_posix() for path in found - events} == expected
    assert {path.parent.as_posix() for path in events} == {
        f"{stage}/tensorboard" for stage in ("teacher", f"relu-{BUDGET}/masks", f"relu-{BUDGET}/student")
    }
    for name in PICTURES:
        assert (finished / f"relu-{BUDGET}/student" / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_metrics_name_every_loss_term(finished: Path) -> None:
    views = ("clean", "augmented", "adversarial")
    ce, kl = {f"ce_{view}" for view in views}, {f"kl_{view}" for view in views}
    accuracies = {"epoch", "lr", "loss", "clean_accuracy", "adversarial_accuracy", "seconds"}
    expected = {
        "teacher": ce | accuracies,
        f"relu-{BUDGET}/masks": ce | kl | accuracies | {"mask_change", "normalised_hamming"},
        f"relu-{BUDGET}/student": ce | kl | accuracies | {"pram_clean", "pram_augmented"},
    }
    for stage, keys in expected.items():
        (metrics,) = [json.loads(line) for line in (finished / stage / "metrics.jsonl").read_text().splitlines()]
        assert set(metrics) == keys
        assert all(isinstance(value, int | float) for value in metrics.values())


def test_the_loss_is_the_mean_over_the_views_of_the_weighted_terms(finished: Path) -> None:
    """Eq. 7 with the default weights: mean_3 CE + mean_3 KL + 1000 mean_2 PRAM."""
    m = json.loads((finished / f"relu-{BUDGET}/student/metrics.jsonl").read_text())
    three = sum(m[f"{term}_{view}"] for term in ("ce", "kl") for view in ("clean", "augmented", "adversarial")) / 3
    assert m["loss"] == pytest.approx(three + 1000 * (m["pram_clean"] + m["pram_augmented"]) / 2, rel=1e-5)


def test_student_card(card: dict) -> None:
    assert set(card) == {
        *("kind", "dataset", "network", "relu", "accuracy", "teacher", "seed", "command", "commit", "versions"),
        *("hardware", "seconds", "precision", "evaluation", "data", "switch"),
    }
    assert card["kind"] == "student" and card["dataset"] == "digits" and card["seed"] == 0
    network = {"name": "resnet18", "width": 4, "batch_norm": "dual", "stem_stride": 2, "spec": None}
    assert card["network"] == network
    assert isinstance(card["command"], str) and (card["commit"] is None or isinstance(card["commit"], str))
    assert torch.__version__.startswith(card["versions"]["torch"])
    assert card["hardware"]["device"] == "cpu" and card["hardware"]["threads"] == 1
    assert {part: card["data"][part] for part in ("train", "validation", "test")} == {
        "train": 90,
        "validation": 10,
        "test": 40,
    }
    assert card["switch"]["held_out"]["n"] == 10
    assert set(card["seconds"]) == {"teacher", "masks", "student", "evaluation"}
    assert all(isinstance(seconds, float) and seconds > 0 for seconds in card["seconds"].values())


def test_relus_of_the_card(card: dict) -> None:
    relu = card["relu"]
    assert set(relu) == {"total", "budget", "kept", "sites"}
    assert (relu["total"], relu["budget"], relu["kept"]) == (TOTAL, BUDGET, BUDGET)
    assert len(relu["sites"]) == 17
    assert relu["sites"]["layer1.0.relu1"]["total"] == 4 * 16 * 16
    assert sum(site["total"] for site in relu["sites"].values()) == TOTAL
    assert sum(site["kept"] for site in relu["sites"].values()) == BUDGET
    assert all(set(site) == {"total", "kept"} and 0 <= site["kept"] <= site["total"] for site in relu["sites"].values())


def test_accuracies_are_fractions_of_the_images(card: dict) -> None:
    for accuracy in (card["accuracy"], card["teacher"]):
        assert set(accuracy) == {"clean", "corrupted", "adversarial"}
        assert list(accuracy["adversarial"]) == ["pgd-2", "pgd-1"]
        for value, count in (
            (accuracy["clean"], 40),
            (accuracy["corrupted"], 2 * 15 * 5),
            *((value, 20) for value in accuracy["adversarial"].values()),
        ):
            assert 0 <= value <= 1
            assert value * count == pytest.approx(round(value * count))


def test_cards_configurations_and_mask_file_agree(finished: Path, card: dict) -> None:
    teacher = json.loads((finished / "teacher/card.json").read_text())
    masks_card = json.loads((finished / f"relu-{BUDGET}/masks/card.json").read_text())
    assert (teacher["kind"], masks_card["kind"]) == ("teacher", "masks")
    assert card["teacher"] == teacher["accuracy"]
    assert teacher["relu"]["kept"] == TOTAL
    assert masks_card["relu"] == card["relu"]
    masks = load_masks(finished / f"relu-{BUDGET}/masks/masks.json")
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {n: s["kept"] for n, s in card["relu"]["sites"].items()}
    student = get_masks(rlnet.load(finished / f"relu-{BUDGET}/student"))
    assert list(student) == list(masks) and all(torch.equal(student[name], masks[name]) for name in masks)
    configuration = yaml.safe_load((finished / f"relu-{BUDGET}/student/config.yaml").read_text())
    assert configuration["budget"] == BUDGET and configuration["finetune"]["lr"] == 0.002


def test_a_student_loads_in_one_line(finished: Path, images: torch.Tensor) -> None:
    student = rlnet.load(finished / f"relu-{BUDGET}/student")
    normal, adversarial = student(images, mode="normal"), student(images, mode="adversarial")
    assert normal.shape == adversarial.shape == (3, 10)
    assert torch.equal(student(images), normal)
    assert not torch.allclose(normal, adversarial)
    assert torch.equal(rlnet.load(finished / f"relu-{BUDGET}")(images), normal)
    assert torch.equal(student(images[:1], mode="normal").argmax(), normal[0].argmax())


def test_onnxruntime_agrees_with_the_loaded_student(finished: Path, images: torch.Tensor) -> None:
    folder = finished / f"relu-{BUDGET}/student"
    session = onnxruntime.InferenceSession(folder / "student.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"image": images.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(logits), rlnet.load(folder)(images, mode="normal"), atol=1e-4, rtol=0)


def test_a_finished_run_only_prints_its_table(
    finished: Path,
    card: dict,
    flags: Callable[..., list[str]],
    snapshot: Callable[[Path], dict],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("a finished run does no work")

    for module in (rlnet.stages.teacher, rlnet.stages.mask_search, rlnet.stages.student):
        monkeypatch.setattr(module, "fit", fail)
        monkeypatch.setattr(module, "_card", fail)
    evaluation = {"attacks": ("pgd-2", "pgd-1"), "corruptions": ("benchmark",), "corruption_limit": 2, "attack_limit": 20}
    epochs = {name: {"epochs": 1} for name in ("teacher", "search", "finetune")}
    before = snapshot(finished)
    assert main(flags(finished.parent, evaluation=evaluation, tensorboard=True, **epochs)) == 0
    assert snapshot(finished) == before
    printed = capsys.readouterr()
    for text in ("8,704", "3,133", f"{card['accuracy']['clean']:.1%}", f"{card['teacher']['clean']:.1%}", "PGD-2"):
        assert text in printed.out
    assert f"{finished}/relu-{BUDGET}/student" in printed.out
    (line,) = printed.err.splitlines()  # what it is about to do
    assert "36%" in line and str(finished) in line


def test_another_evaluation_measures_anew_and_trains_nothing(
    uninterrupted: Path,
    tmp_path: Path,
    tiny: Callable[..., Config],
    snapshot: Callable[[Path], dict],
    no_pictures: None,
) -> None:
    shutil.copytree(uninterrupted, tmp_path / "runs")
    before = snapshot(tmp_path / "runs")
    card = finetune(tiny(tmp_path / "runs", evaluation={"attacks": ("pgd-3",)})).card
    assert list(card["accuracy"]["adversarial"]) == list(card["teacher"]["adversarial"]) == ["pgd-3"]
    after = snapshot(tmp_path / "runs")
    changed = {name for name in after if after[name][1] != before[name][1]}
    assert changed == {"digits/teacher/card.json", f"digits/relu-{BUDGET}/student/card.json"}


TOTALS = {
    "resnet18": TOTAL,
    "resnet34": 966_656 // 16 // 4,
    "wrn22-8": 16_384 // 4 + 10_752,
}  # WRN: 16 stem channels of any width


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", lambda n: 0), ("100%", lambda n: n), (1, lambda n: 1), ("36%", lambda n: round(0.36 * n)), ("1001", lambda n: 1001)],
)
@pytest.mark.parametrize("network", TOTALS)
def test_budgets_are_kept_exactly_and_reuse_the_teacher(
    tmp_path_factory: pytest.TempPathFactory,
    tiny: Callable[..., Config],
    snapshot: Callable[[Path], dict],
    no_pictures: None,
    network: str,
    text: str | int,
    count: Callable[[int], int],
) -> None:
    runs = tmp_path_factory.getbasetemp() / "budgets"
    few, short = {"train_limit": 50, "validation": 0.2}, {name: {"epochs": 1} for name in ("teacher", "search", "finetune")}
    config = tiny(runs, name=network, relu_budget=text, network={"name": network}, data=few, **short)
    train_teacher(config)
    before = snapshot(runs / network / "teacher")
    student = finetune(config)
    budget = count(TOTALS[network])
    assert (
        student.folder == runs / network / f"relu-{f'{budget // 1000}k' if budget and budget % 1000 == 0 else budget}/student"
    )
    relu = student.card["relu"]
    assert (relu["total"], relu["budget"], relu["kept"]) == (TOTALS[network], budget, budget)
    assert sum(int(mask.sum()) for mask in get_masks(student.network).values()) == budget
    assert sum(int(mask.sum()) for mask in load_masks(student.folder.parent / "masks/masks.json").values()) == budget
    assert snapshot(runs / network / "teacher") == before


def test_masks_and_teacher_from_files(
    uninterrupted: Path, tmp_path: Path, tiny: Callable[..., Config], no_pictures: None
) -> None:
    """They are taken over as they are, and then the student that comes of them is the same."""
    digits = uninterrupted / "digits"
    files = {"teacher_file": digits / "teacher", "search": {"masks_file": digits / f"relu-{BUDGET}/masks/masks.json"}}
    student = finetune(tiny(tmp_path, **files))
    wanted = load_masks(digits / f"relu-{BUDGET}/masks/masks.json")
    for found in (get_masks(student.network), load_masks(tmp_path / f"digits/relu-{BUDGET}/masks/masks.json")):
        assert list(found) == list(wanted) and all(torch.equal(found[name], wanted[name]) for name in wanted)
    ours, theirs = (rlnet.load(folder / "teacher").state_dict() for folder in (tmp_path / "digits", digits))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert student.card["teacher"] == json.loads((digits / "teacher/card.json").read_text())["accuracy"]
    again = search_masks(tiny(tmp_path, **files))
    assert all(torch.equal(again[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize(
    ("changes", "student_terms"),
    [
        ({"split_batch": True, "separate_crops": True, "search": {"from_scratch": True}}, 8),
        ({"distillation": {"pram": "printed", "beta": 1.0}, "network": {"batch_norm": "triple"}}, 8),
        ({"distillation": {"beta": 0.0}, "search": {"sensitivity": "resnet18-25k"}}, 6),
        ({"views": ("clean",), "network": {"batch_norm": "single"}}, 3),
        ({"views": ("clean", "adversarial"), "network": {"stem_stride": 1}, "relu_budget": 500}, 5),
    ],
)
def test_options_run(tmp_path: Path, tiny: Callable[..., Config], no_pictures: None, changes: dict, student_terms: int) -> None:
    """What the public code does instead of the paper, and plain linearization: budgets hold and the losses are all there."""
    short = {name: {"epochs": 1} for name in ("teacher", "search", "finetune")}
    student = finetune(tiny(tmp_path, **{**short, **changes, "search": {"epochs": 1, **changes.get("search", {})}}))
    assert student.card["relu"]["kept"] == student.card["relu"]["budget"]
    metrics = json.loads((student.folder / "metrics.jsonl").read_text())
    assert sum(name.startswith(("ce_", "kl_", "pram_")) for name in metrics) == student_terms


def test_options_change_what_they_name(uninterrupted: Path, tmp_path: Path, tiny: Callable[..., Config]) -> None:
    """Another view of the batch changes the teacher; a student from scratch has the same teacher and other masks."""
    teacher = rlnet.load(uninterrupted / "digits/teacher").state_dict()
    masks = load_masks(uninterrupted / f"digits/relu-{BUDGET}/masks/masks.json")
    for changes in ({"split_batch": True}, {"separate_crops": True}, {"augmix": {"severity": 1.0}}):
        other = train_teacher(tiny(tmp_path / str(changes), **changes)).state_dict()
        assert not torch.equal(teacher["fc.weight"], other["fc.weight"]), changes
    shutil.copytree(uninterrupted / "digits/teacher", tmp_path / "digits/teacher")
    config = yaml.safe_load((tmp_path / "digits/teacher/config.yaml").read_text())
    assert "search" not in config  # so that other searches share a teacher
    from_scratch = search_masks(tiny(tmp_path, search={"from_scratch": True}))
    assert any(not torch.equal(from_scratch[name], masks[name]) for name in masks)


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[3] / "configs").glob("*.yaml")), ids=lambda file: file.name)
def test_every_preset_is_a_configuration(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    assert command(found.append, Config, [f"--config={file}"]) == 0, capsys.readouterr().err
    assert isinstance(found[0], Config)


def test_a_budget_in_yaml_may_be_a_number(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text("relu_budget: 1001\nsearch: {sensitivity: resnet18-25k}\n")
    found = []
    assert command(found.append, Config, [f"--config={tmp_path / 'ours.yaml'}", "--seed=3"]) == 0
    assert (found[0].relu_budget, found[0].seed, found[0].search.sensitivity) == (1001, 3, "resnet18-25k")
