"""Teachers, masks and runs that are foreign, damaged or of another run: each is named with its remedy, and no file changes."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from masks import random_mask, save_masks
from rlnet.finetune import main
from rlnet.training import checkpoint

from .refusals import MASKS, STUDENT, Refuse

pytestmark = pytest.mark.usefixtures("no_pictures")


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
    what = "is empty" if content == "empty" else "is damaged or not a checkpoint of this program"
    refuse(
        [f"--teacher_file={tmp_path / 'best.pt'}"],
        f"{tmp_path / 'best.pt'} {what}; name another file",
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


def test_a_student_is_no_teacher(refuse: Refuse, uninterrupted: Path) -> None:
    refuse([f"--teacher_file={uninterrupted / STUDENT}"], "is a partial-ReLU network; a teacher has all its ReLUs")


def test_masks_of_another_budget_or_network(refuse: Refuse, uninterrupted: Path) -> None:
    file = uninterrupted / MASKS / "masks.json"
    refuse([f"--search.masks_file={file}"], f"{file} keeps 3133 ReLUs, not 3132; use --relu-budget 3133", relu_budget=3132)
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
    save_masks(file, {"relu": random_mask((4, 16, 16), 12, torch.Generator())}, network="toy", input_shape=(3, 32, 32))
    refuse([f"--search.masks_file={file}"], f"{file} holds masks of another network", relu_budget=12)


@pytest.mark.parametrize(
    ("changes", "stage", "words"),
    [
        ({"teacher": {"epochs": 3}}, "teacher", "teacher.epochs is 2 there and 3 here"),
        ({"seed": 1}, "teacher", "seed is 0 there and 1 here"),
        ({"network": {"width": 8}, "relu_budget": 3133}, "teacher", "network.width is 4 there and 8 here"),
        ({"views": ("clean",)}, "teacher", "views is ['clean', 'augmented', 'adversarial'] there and ['clean'] here"),
        ({"objective": {"beta": 1.0}}, "teacher", "objective.beta is 6.0 there and 1.0 here"),
        ({"attack": {"steps": 2}}, "teacher", "attack.steps is 1 there and 2 here"),
        ({"search": {"lr": 0.03}}, MASKS.removeprefix("digits/"), "search.lr is 0.02 there and 0.03 here"),
        ({"distillation": {"beta": 1.0}}, MASKS.removeprefix("digits/"), "distillation.beta is 1000.0 there and 1.0 here"),
        ({"finetune": {"lr": 0.06}}, STUDENT.removeprefix("digits/"), "finetune.lr is 0.002 there and 0.06 here"),
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
