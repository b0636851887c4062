"""Bad input ends with exit code 2 and one line that names it and the remedy; nothing is written, and no file changes."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import rlnet.evaluate
import rlnet.export
import rlnet.report
import rlnet.training.loop
from masks import random_mask, save_masks
from rlnet.finetune import main
from rlnet.teacher import TeacherObjective
from rlnet.training import checkpoint
from rlnet.training.distillation import StudentObjective

pytestmark = pytest.mark.usefixtures("no_pictures")

Refuse = Callable[..., None]
STUDENT, MASKS = "digits/relu-12534/student", "digits/relu-12534/masks"


@pytest.fixture
def refuse(
    tmp_path: Path,
    flags: Callable[..., list[str]],
    snapshot: Callable[[Path], dict],
    capsys: pytest.CaptureFixture[str],
) -> Refuse:
    """Asserts that the tiny command with these flags more is refused in these words, and that tmp_path/runs stays as it is."""
    runs = tmp_path / "runs"

    def check(more: list[str], *words: str, **changes: Any) -> None:
        before = snapshot(runs) if runs.exists() else None
        capsys.readouterr()
        assert main([*flags(runs, **changes), *more]) == 2
        printed = capsys.readouterr()
        (line,) = printed.err.splitlines()
        assert line.startswith("error: ") and printed.out == ""
        for word in words:
            assert word in line
        assert (snapshot(runs) if runs.exists() else None) == before

    return check


@pytest.fixture
def run_folder(tmp_path: Path, uninterrupted: Path) -> Path:
    """A finished run in tmp_path/runs."""
    shutil.copytree(uninterrupted, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("--relu-budget=34817", "34817 is above the 34816 ReLUs that the network has; give at most 34816"),
        ("--relu-budget=50k", "50k is above the 34816 ReLUs"),
        ("--relu-budget=101%", "101% is above the 34816 ReLUs"),
        ("--relu-budget=-5", "'-5' is no ReLU budget; write one as 50000, 50k, 0.05m or 36%, not negative"),
        ("--relu-budget=-5k", "'-5k' is no ReLU budget; write one as"),
        ("--relu-budget=0.0005k", "0.0005k is not a whole number of ReLUs"),
        ("--relu-budget=nan", "'nan' is no ReLU budget; write one as"),
        ("--relu-budget=inf", "'inf' is no ReLU budget; write one as"),
        ("--relu-budget=many", "'many' is no ReLU budget; write one as"),
        ("--relu-bugdet=5k", "unrecognized arguments: --relu_bugdet=5k; --help lists every flag"),
        ("--teacher.epoch=3", "unrecognized arguments: --teacher.epoch=3; --help lists every flag"),
        ("surprise", "unrecognized arguments: surprise; --help lists every flag"),
        ("--teacher.epochs=many", "\"teacher.epochs\": Expected a <class 'int'>. Got value: many"),
        ("--teacher.epochs=1.5", "\"teacher.epochs\": Expected a <class 'int'>. Got value: 1.5"),
        ("--tensorboard=5", "\"tensorboard\": Expected a <class 'bool'>. Got value: 5"),
        ("--network.name=vgg", "there is no network 'vgg'; known: resnet18, resnet34, wrn22-8, "),
        ("--network=resnet81", "there is no network 'resnet81', did you mean resnet18?"),
        ("--network=/nowhere/spec.json", "/nowhere/spec.json: No such file or directory"),
        ("--teacher.epochs=0", "epochs is 0; a stage needs at least 1"),
        ("--search.epochs=0", "epochs is 0; a stage needs at least 1"),
        ("--finetune.epochs=-1", "epochs is -1; a stage needs at least 1"),
        ("--teacher.batch_size=0", "batch_size is 0; a stage needs at least 1"),
        ("--teacher.lr=0", "lr is 0.0; a learning rate is above 0"),
        ("--teacher.lr=nan", "\"teacher.lr\": Expected a <class 'float'>. Got value: nan"),
        ("--search.momentum=1", "momentum is 1.0; it is at least 0 and below 1"),
        ("--finetune.weight_decay=-1", "weight_decay is -1.0; it is at least 0"),
        ("--finetune.warmup_epochs=-1", "warmup_epochs is -1.0; it is at least 0"),
        ("--network.width=0", "network.width is a number of channels, at least 1, not 0"),
        ("--workers=-2", "workers is -2; give a number of processes, or -1"),
        ("--seed=-1", "seed is -1: use a whole number from 0"),
        (
            "--views=[augmented,adversarial]",
            "views are clean and, once each, augmented and adversarial; not augmented, adversarial",
        ),
        ("--views=[clean,clean]", "not clean, clean"),
        ("--views=[clean,blurred]", "Expected a typing.Literal['clean', 'augmented', 'adversarial']. Got value: blurred"),
        ("--attack.eps=256/255", "eps is a distance in [0, 1] pixels, for instance 8/255; not 256/255"),
        ("--attack.eps=-1/255", "eps is a distance in [0, 1] pixels, for instance 8/255; not -1/255"),
        ("--attack.eps=wide", "'wide' is not a distance in [0, 1] pixels; write it like 8/255 or 0.03"),
        ("--attack.steps=0", "an attack needs a positive step_size and steps >= 1; not 2/255 and 0"),
        ("--evaluation.attacks=pdg-20", "there is no attack 'pdg-20', did you mean pgd-20?"),
        ("--evaluation.attacks=[pgd-2,pgd-0]", "there is no attack 'pgd-0'"),
        ("--evaluation.attacks=fgsm,fgsm", "fgsm,fgsm names something twice; name each once"),
        ("--evaluation.corruptions=fogg", "there is no corruption 'fogg', did you mean fog?"),
        ("--evaluation.attack_limit=0", "attack_limit is 0; give at least 1 image"),
        ("--evaluation.corruption_limit=-1", "corruption_limit is -1; give at least 1 image"),
        ("--search.sensitivity=resnet81-25k", "no preset is called 'resnet81-25k'; there are resnet18-25k, resnet18-50k"),
        ("--search.sensitivity=resnet34-25k", "'resnet34-25k' is for a network of 33 ReLU sites, this one has 17"),
        ("--search.density=0", "search.density is 0.0; it is a fraction of the weights"),
        ("--objective.name=mart", "Expected a typing.Literal['rlnet', 'at', 'trades', 'fast-at', 'free']. Got value: mart"),
        ("--objective.beta=-1", "objective.beta is -1.0; it is a weight, at least 0 and finite"),
        ("--objective.replays=0", "objective.replays is 0; free training takes at least 1 step for each batch"),
        ("--distillation.temperature=0", "distillation.temperature and attack_temperature are above 0"),
        ("--augmix.severity=-1", "AugMix severity is -1.0: use a number from 0.1 to 10"),
        ("--data.name=mnist", "data set 'mnist' is unknown: use one of digits, cifar10"),
        ("--data.validation=0", "validation is 0.0: use a fraction between 0 and 1"),
        ("--data.train_limit=5", "train_limit is 5: use 10 (one image a class) to 1437 (all there are)"),
        ("--config=/nowhere/ours.yaml", "File does not exist: '/nowhere/ours.yaml'"),
        ("--teacher_file=/nowhere/best.pt", "/nowhere/best.pt is neither a checkpoint nor the folder of a finished stage"),
        ("--search.masks_file=/nowhere/masks.json", "/nowhere/masks.json: No such file or directory"),
    ],
)
def test_flags(refuse: Refuse, more: str, words: str) -> None:
    refuse([more], words)


def test_robust_training_without_the_adversarial_view(refuse: Refuse) -> None:
    refuse(["--objective.name=at", "--views=[clean]"], "objective at trains on the adversarial view; add it to views")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"relu_bugdet: 5k\n", "'relu_bugdet' is not accepted; --help lists every flag, and a YAML file has the same keys"),
        (b"teacher: {epoch: 3}\n", "'teacher' does not accept option 'epoch'"),
        (b"teacher: {epochs: many}\n", "ours.yaml: Parser key \"teacher.epochs\": Expected a <class 'int'>. Got value: many"),
        (b"relu_budget: 99999999\n", "99999999 is above the 34816 ReLUs"),
        (b"- 1\n- 2\n", "ours.yaml: Unexpected config: - 1 - 2"),
        (b"once upon a time\n", "ours.yaml: Unexpected config: once upon a time"),
        (b"teacher: [1, 2\nsearch: }\n", "ours.yaml: Problems parsing config: "),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "ours.yaml is not text, so no YAML"),
        (bytes(range(256)), "ours.yaml is not text, so no YAML"),
        (b"!!python/object/apply:os.mkdir ['runs']\n", "ours.yaml"),
    ],
)
def test_yaml(refuse: Refuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ours.yaml").write_bytes(content)
    refuse(["--config=ours.yaml"], words)
    refuse([f"--config={tmp_path / 'ours.yaml'}"], words.removeprefix("ours.yaml"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there(refuse: Refuse) -> None:
    refuse(["--device=cuda"], "device cuda: this machine or this build of torch has no usable GPU; use --device cpu")


def write_images(root: Path, classes: tuple[str, ...] = ("cat", "dog"), count: int = 20) -> list[Path]:
    """Class folders of 8x8 RGB images of noise."""
    rng = np.random.default_rng(0)
    paths = [root / name / f"{i:02}.png" for name in classes for i in range(count)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    return paths


def missing(root: Path) -> None:
    shutil.rmtree(root)


def empty(root: Path) -> None:
    missing(root)
    root.mkdir()


def one_class(root: Path) -> None:
    shutil.rmtree(root / "dog")


def empty_class(root: Path) -> None:
    (root / "bird").mkdir()


def truncated(root: Path) -> None:
    path = root / "dog/07.png"
    path.write_bytes(path.read_bytes()[:60])


def no_image(root: Path) -> None:
    (root / "dog/readme.txt").write_text("pictures of dogs")


def another_size(root: Path) -> None:
    cv2.imwrite(str(root / "dog/07.png"), np.zeros((9, 8, 3), dtype=np.uint8))


def another_mode(root: Path) -> None:
    cv2.imwrite(str(root / "dog/07.png"), np.zeros((8, 8), dtype=np.uint8))


def a_file(root: Path) -> None:
    missing(root)
    root.write_text("no folder")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (missing, "pictures is not a folder: set root to the folder that holds the class folders"),
        (a_file, "pictures is not a folder: set root to the folder that holds the class folders"),
        (empty, "pictures has 0 class folders (): it needs one for each class, at least two"),
        (one_class, "pictures has 1 class folders ('cat',): it needs one for each class, at least two"),
        (empty_class, "bird has no images: add some, or remove the folder"),
        (truncated, "07.png is not an image, or is damaged: remove it or put it right"),
        (no_image, "readme.txt is not an image, or is damaged: remove it"),
        (another_size, "07.png has 8x9 pixels, but"),
        (another_mode, "07.png is gray, but"),
    ],
)
def test_data_folders(refuse: Refuse, tmp_path: Path, damage: Callable[[Path], None], words: str) -> None:
    write_images(tmp_path / "pictures")
    damage(tmp_path / "pictures")
    refuse([], words, data={"name": "folder", "root": str(tmp_path / "pictures"), "train_limit": None, "test_limit": None})


@pytest.mark.parametrize("command", [rlnet.evaluate.main, rlnet.export.main, rlnet.report.main])
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere", "nowhere is neither a"),
        ("digits", "digits is neither a"),
        (STUDENT, f"{STUDENT}/"),
    ],
)
def test_other_commands(
    run_folder: Path,
    snapshot: Callable[[Path], dict],
    capsys: pytest.CaptureFixture[str],
    command: Callable[[list[str]], int],
    path: str,
    words: str,
) -> None:
    """A folder that is not there, the folder of an experiment, and a student's folder with a damaged checkpoint and card."""
    for name in ("best.pt", "card.json"):
        (run_folder / STUDENT / name).write_bytes(b"{")
    before = snapshot(run_folder)
    assert command([str(run_folder / path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {run_folder}/") and words in line
    assert snapshot(run_folder) == before


def test_a_teacher_has_no_report(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rlnet.report.main([str(run_folder / "digits/teacher")]) == 2
    assert "teacher is neither a finished student's folder" in capsys.readouterr().err
    assert not list(run_folder.rglob("*.png"))


def test_evaluating_on_other_images(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path / "pictures")
    assert rlnet.evaluate.main([str(run_folder / STUDENT), "--data.name=folder", f"--data.root={tmp_path / 'pictures'}"]) == 2
    line = capsys.readouterr().err
    assert "was trained on digits (10 classes, images (3, 32, 32))" in line and "choose it with --data.name" in line


class Bomb:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple:
        return Path.touch, (self.target,)


FOREIGN = {
    "empty": lambda folder: b"",
    "text": lambda folder: b"not a checkpoint",
    "pickle": lambda folder: pickle.dumps(Bomb(folder / "executed")),
    "zeros": lambda folder: bytes(5000),
}


def foreign_torch_file(path: Path) -> None:
    torch.save({"state_dict": {"fc.weight": torch.zeros(2, 2)}}, path)


def bomb_in_a_torch_file(path: Path) -> None:
    torch.save({"format": checkpoint.FORMAT, "version": checkpoint.VERSION, "facts": Bomb(path.with_name("executed"))}, path)


def other_version(path: Path) -> None:
    torch.save({**torch.load(path, weights_only=True), "version": 99}, path)


def truncated_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def without_weights(path: Path) -> None:
    torch.save({key: value for key, value in torch.load(path, weights_only=True).items() if key != "weights"}, path)


def other_weights(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["weights"]["fc.weight"] = torch.zeros(3, 3)
    torch.save(content, path)


DAMAGES = [foreign_torch_file, bomb_in_a_torch_file, other_version, truncated_file, flipped_bit, without_weights, other_weights]


@pytest.mark.parametrize("content", FOREIGN)
def test_foreign_teacher_files(refuse: Refuse, tmp_path: Path, content: str) -> None:
    (tmp_path / "best.pt").write_bytes(FOREIGN[content](tmp_path))
    refuse(
        [f"--teacher_file={tmp_path / 'best.pt'}"],
        f"{tmp_path / 'best.pt'} is damaged or not a checkpoint of this program; name another file",
    )
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_teacher_files(refuse: Refuse, tmp_path: Path, uninterrupted: Path, damage: Callable[[Path], None]) -> None:
    shutil.copy(uninterrupted / "digits/teacher/best.pt", tmp_path / "best.pt")
    damage(tmp_path / "best.pt")
    refuse([f"--teacher_file={tmp_path / 'best.pt'}"], str(tmp_path / "best.pt"))
    assert not (tmp_path / "executed").exists()


def test_a_bomb_is_live(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "executed")))
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": {"name": "resnet34"}}, "cannot be the teacher of this experiment (its network: "),
        ({"network": {"width": 5}}, "width=4"),
        ({"network": {"batch_norm": "triple"}}, "batch_norm='dual'"),
    ],
)
def test_teachers_of_another_architecture(refuse: Refuse, uninterrupted: Path, changes: dict, words: str) -> None:
    refuse(
        [f"--teacher_file={uninterrupted / 'digits/teacher'}"], str(uninterrupted / "digits/teacher/best.pt"), words, **changes
    )


def test_a_teacher_of_other_images(refuse: Refuse, tmp_path: Path, uninterrupted: Path) -> None:
    """Another data set, other classes, another image size: each is named."""
    write_images(tmp_path / "pictures")
    refuse(
        [f"--teacher_file={uninterrupted / 'digits/teacher'}"],
        "its dataset: digits, the experiment's: folder:",
        "its classes: ('0', '1', '2', ",
        "the experiment's: ('cat', 'dog')",
        "its image_shape: (3, 32, 32), the experiment's: (3, 8, 8)",
        data={"name": "folder", "root": str(tmp_path / "pictures"), "train_limit": None, "test_limit": None},
        relu_budget=100,
    )


def test_a_student_is_no_teacher(refuse: Refuse, uninterrupted: Path) -> None:
    refuse([f"--teacher_file={uninterrupted / STUDENT}"], "is a partial-ReLU network; a teacher has all its ReLUs")


def test_masks_of_another_budget_or_network(refuse: Refuse, uninterrupted: Path) -> None:
    file = uninterrupted / MASKS / "masks.json"
    refuse([f"--search.masks_file={file}"], f"{file} keeps 12534 ReLUs, not 12533; use --relu-budget 12534", relu_budget=12533)
    refuse([f"--search.masks_file={file}"], "masks of another network", network={"width": 5})
    refuse([f"--search.masks_file={file}"], "masks of another network", network={"name": "resnet34"})


@pytest.mark.parametrize("content", FOREIGN)
def test_foreign_masks_files(refuse: Refuse, tmp_path: Path, content: str) -> None:
    (tmp_path / "masks.json").write_bytes(FOREIGN[content](tmp_path))
    refuse([f"--search.masks_file={tmp_path / 'masks.json'}"], f"{tmp_path / 'masks.json'} ", "masks.save_masks")
    assert not (tmp_path / "executed").exists()


def test_damaged_masks_files(refuse: Refuse, tmp_path: Path, uninterrupted: Path) -> None:
    file = tmp_path / "masks.json"
    for damage in (truncated_file, flipped_bit):
        shutil.copy(uninterrupted / MASKS / "masks.json", file)
        damage(file)
        refuse([f"--search.masks_file={file}"], f"{file} is no intact mask file: ", "Write it again with masks.save_masks")
    save_masks(file, {"relu": random_mask((4, 32, 32), 12, torch.Generator())}, network="toy", input_shape=(3, 32, 32))
    refuse([f"--search.masks_file={file}"], f"{file} holds masks of another network", relu_budget=12)


@pytest.mark.parametrize(
    ("changes", "stage", "words"),
    [
        ({"teacher": {"epochs": 3}}, "teacher", "teacher.epochs is 2 there and 3 here"),
        ({"seed": 1}, "teacher", "seed is 0 there and 1 here"),
        ({"network": {"width": 8}, "relu_budget": 12534}, "teacher", "network.width is 4 there and 8 here"),
        ({"views": ("clean",)}, "teacher", "views is ['clean', 'augmented', 'adversarial'] there and ['clean'] here"),
        ({"objective": {"beta": 1.0}}, "teacher", "objective.beta is 6.0 there and 1.0 here"),
        ({"attack": {"steps": 2}}, "teacher", "attack.steps is 1 there and 2 here"),
        ({"search": {"lr": 0.03}}, MASKS.removeprefix("digits/"), "search.lr is 0.02 there and 0.03 here"),
        ({"distillation": {"beta": 1.0}}, MASKS.removeprefix("digits/"), "distillation.beta is 1000.0 there and 1.0 here"),
        ({"finetune": {"lr": 0.06}}, STUDENT.removeprefix("digits/"), "finetune.lr is 0.05 there and 0.06 here"),
    ],
)
def test_runs_of_another_configuration(refuse: Refuse, run_folder: Path, changes: dict, stage: str, words: str) -> None:
    refuse(
        [],
        f"{run_folder / 'digits' / stage} holds a run of another configuration ({words}",
        "Choose another --name or --runs, or delete that folder",
        **changes,
    )


@pytest.mark.parametrize("stage", ["digits/teacher", MASKS, STUDENT])
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.yaml", b"seed: [0", "config.yaml is damaged; delete the folder"),
        ("config.yaml", b"\xff\x00", "config.yaml is damaged; delete the folder"),
        ("config.yaml", b"", "config.yaml is damaged; delete the folder"),
        ("best.pt", b"PK", "best.pt is damaged or not a checkpoint of this program; delete the folder"),
        ("best.pt", None, "there is no checkpoint"),
        ("card.json", b'{"kind": ', "card.json is damaged; delete it, and the stage writes it anew"),
        ("card.json", b"\xff\x00", "card.json is damaged; delete it, and the stage writes it anew"),
        ("card.json", b"[]", "; delete it, and the stage writes it anew"),
        ("card.json", b'{"kind": "secure-inference"}', "is not the card of a"),
    ],
)
def test_damaged_files_of_a_finished_run(
    refuse: Refuse, run_folder: Path, stage: str, name: str, content: bytes | None, words: str
) -> None:
    file = run_folder / stage / name
    file.unlink() if content is None else file.write_bytes(content)
    refuse([], str(file), words)


@pytest.mark.parametrize("damage", [foreign_torch_file, bomb_in_a_torch_file, other_version, truncated_file, flipped_bit])
def test_a_damaged_last_checkpoint(refuse: Refuse, run_folder: Path, damage: Callable[[Path], None]) -> None:
    (run_folder / STUDENT / "card.json").unlink()
    damage(run_folder / STUDENT / "last.pt")
    refuse([], str(run_folder / STUDENT / "last.pt"))
    assert not (run_folder / STUDENT / "executed").exists()


@pytest.mark.parametrize("other", ["digits/teacher/best.pt", "digits/teacher/last.pt", MASKS + "/best.pt"])
def test_a_last_checkpoint_of_another_stage(refuse: Refuse, run_folder: Path, other: str) -> None:
    (run_folder / MASKS / "card.json").unlink()
    shutil.copy(run_folder / other, run_folder / MASKS / "last.pt")
    refuse([], f"{run_folder / MASKS / 'last.pt'} is not of this stage; delete the folder {run_folder / MASKS}")


def test_the_remedy_of_a_damaged_stage_works(
    run_folder: Path,
    uninterrupted: Path,
    flags: Callable[..., list[str]],
    same_run: Callable[[Path, Path], None],
) -> None:
    """Deleting the folder that the message names, or the damaged card, and running the same command gives the same run."""
    shutil.rmtree(run_folder / STUDENT)
    (run_folder / MASKS / "card.json").unlink()
    assert main(flags(run_folder)) == 0
    same_run(run_folder, uninterrupted)


def test_a_folder_of_runs_that_cannot_be(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    refuse([f"--runs={tmp_path / 'file' / 'runs'}"], f"{tmp_path / 'file'}", "Not a directory; nothing was lost")
    assert (tmp_path / "file").read_text() == "no folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_write_permission(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "read-only").mkdir(mode=0o500)
    refuse([f"--runs={tmp_path / 'read-only'}"], str(tmp_path / "read-only"), "Permission denied; nothing was lost")
    assert not list((tmp_path / "read-only").iterdir())


def test_a_learning_rate_that_diverges(
    tmp_path: Path, flags: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(flags(tmp_path, teacher={"lr": 1e30})) == 2
    line = capsys.readouterr().err.strip()
    assert (
        line.startswith("error: the loss term ce_") and " in step 2 of epoch 1; nothing of this epoch was kept. Lower" in line
    )
    assert not list(tmp_path.rglob("*.pt"))


def test_weights_that_diverge_in_the_last_step(
    tmp_path: Path,
    flags: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All losses of the epoch are finite, the weights after it are not: they are not kept either."""
    terms = TeacherObjective.terms

    def with_gradient_nan(self: TeacherObjective, batch: Any, epoch: int, step: int) -> dict[str, torch.Tensor]:
        found, weight = terms(self, batch, epoch, step), self.network.fc.weight
        return found | {"ce_clean": found["ce_clean"] + (weight - weight.detach()).abs().sum().sqrt()} if step == 1 else found

    monkeypatch.setattr(TeacherObjective, "terms", with_gradient_nan)
    assert main(flags(tmp_path)) == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith(
        "error: fc.weight stopped being finite in step 2 of epoch 1, no loss term did; nothing of this epoch"
    )
    assert not list(tmp_path.rglob("*.pt"))


@pytest.mark.parametrize(("objective", "stage"), [(TeacherObjective, "teacher"), (StudentObjective, "relu-12534/student")])
def test_nan_in_the_loss_keeps_the_last_good_checkpoint(
    run_folder: Path,
    uninterrupted: Path,
    flags: Callable[..., list[str]],
    same_run: Callable[[Path, Path], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    objective: type,
    stage: str,
) -> None:
    """A NaN in the second epoch leaves the first, from where the same command goes on."""
    shutil.rmtree(run_folder / "digits" / stage)
    terms = objective.terms

    def spoiled(self: Any, batch: Any, epoch: int, step: int) -> dict[str, torch.Tensor]:
        found = terms(self, batch, epoch, step)
        return found | {"ce_augmented": found["ce_augmented"] * float("nan")} if (epoch, step) == (1, 1) else found

    with monkeypatch.context() as patch:
        patch.setattr(objective, "terms", spoiled)
        assert main(flags(run_folder)) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "the loss term ce_augmented became nan in step 2 of epoch 2; nothing of this epoch was kept. Lower the" in line
    last = torch.load(run_folder / "digits" / stage / "last.pt", weights_only=True)
    assert len(last["history"]) == 1
    assert all(value.isfinite().all() for value in last["network"].values())
    (metrics,) = (run_folder / "digits" / stage / "metrics.jsonl").read_text().splitlines()
    assert json.loads(metrics)["epoch"] == 1
    assert main(flags(run_folder)) == 0
    same_run(run_folder, uninterrupted)


def test_a_nan_is_found_wherever_it_is_in_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The losses are looked at every so many steps; the step that is named is the first bad one."""
    log = torch.ones(100, 2)
    log[30, 1] = log[40, 0] = float("inf")
    with pytest.raises(FloatingPointError, match="the loss term kl became inf in step 31 of epoch 8"):
        rlnet.training.loop._check_finite(log, ["ce", "kl"], epoch=7)
