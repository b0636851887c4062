"""A stage's folder: its configuration, metrics, checkpoints and card. The folder is the state of the stage."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml

from masks.atomic_file import write_atomically
from rlnet.data.identity.fingerprint import Fingerprint
from rlnet.training import checkpoint, distributed
from rlnet.training.ownership import Claim

CARD, IMAGES = "card.json", "images.json"


class StageFolder:
    """`runs/<experiment>/.../<stage>/`: config.yaml, images.json, metrics.jsonl, last.pt, best.pt; when complete, card.json.

    config: all that the stage's numbers depend on beside the images, as plain values. defaults: of the settings, for a folder
    made before one of them existed; a new setting's default must be what was done before. images: those that the stage is made
    with; None for a folder that says nothing of them. stage: what its card and progress call it, by default the folder's name.
    Nothing is written before `open`, and every file is written atomically, by the first rank only; within `owned` no other
    process writes there. complete: whether the stage has its card, the same on all ranks.
    """

    def __init__(
        self,
        path: Path,
        config: dict[str, Any],
        defaults: dict[str, Any],
        stage: str | None = None,
        images: Fingerprint | None = None,
    ):
        self.path, self.config, self.defaults, self.images = path, config, defaults, images
        self.stage = stage or path.name
        self.complete = False
        self.claim = Claim(path)
        self.remedy = f"delete the folder {path} to start that stage anew"

    def check(self) -> None:
        """Raises ValueError where the folder holds a stage of another configuration or other images, naming what differs."""
        file = self.path / "config.yaml"
        if not file.exists():
            return
        try:
            found = yaml.safe_load(file.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{file} is damaged; {self.remedy}") from error
        if not isinstance(found, dict):
            raise ValueError(f"{file} is damaged; {self.remedy}")
        differences = _differences(_completed(found, self.defaults), self.config)
        if differences:
            raise ValueError(
                f"{self.path} holds a run of another configuration ({'; '.join(differences)}). "
                "Choose another --name or --runs, or delete that folder"
            )
        self._check_images()

    def _check_images(self) -> None:
        """Raises ValueError where the images are not those that the stage was made with, naming what changed."""
        file = self.path / IMAGES
        if self.images is None or not file.exists():
            return
        try:
            made_with = Fingerprint.from_plain(json.loads(file.read_text()))
        except ValueError as error:
            raise ValueError(f"{file} is damaged; {self.remedy}") from error
        if changes := made_with.differences(self.images):
            raise ValueError(
                f"{self.path} was made with other images than there are now ({'; '.join(changes)}). "
                "Put them back as they were, choose another --name or --runs, or delete that folder"
            )

    def is_finished(self, evaluation: dict[str, Any] | None) -> bool:
        """Whether nothing is left to be written: the card is there, and if it has an evaluation, then of these settings."""
        if not (self.path / CARD).exists():
            return False
        found = self.read_card().get("evaluation")
        return found is None or found.get("settings") == evaluation

    def open(self) -> None:
        """Makes the folder ready to be written to; a complete one is left as it is. Raises ValueError as `check` does."""
        self.check()
        if distributed.rank() == 0:
            self.path.mkdir(parents=True, exist_ok=True)
            self._remove_partial()
            is_new = not (self.path / "config.yaml").exists()
            if self.images is not None and not (self.path / IMAGES).exists():
                if not is_new:
                    said = f"{self.path} does not say with which images it was made; taken for those that are there now"
                    print(said, file=sys.stderr, flush=True)
                self._write(IMAGES, json.dumps(self.images.plain(), indent=1) + "\n")
            if is_new:
                self._write("config.yaml", yaml.safe_dump(self.config, sort_keys=False))
        distributed.barrier()
        self.complete = (self.path / CARD).exists()
        if self.complete:
            self.read_card()  # refuses a damaged one before any work rests on it
        distributed.barrier()  # no rank writes a card before all have looked

    def load_last(self, device: torch.device) -> dict[str, Any] | None:
        """The checkpoint of the last finished epoch; None before the first."""
        path = self.path / "last.pt"
        content = checkpoint.load(path, device, self.remedy) if path.exists() else None
        distributed.barrier()
        return content

    def save_last(self, content: dict[str, Any]) -> None:
        self._save("last.pt", content)

    def save_best(self, content: dict[str, Any]) -> None:
        self._save("best.pt", content)

    def _save(self, name: str, content: dict[str, Any]) -> None:
        if distributed.rank() == 0:
            self.claim.check()
            checkpoint.save(self.path / name, content)
        distributed.barrier()

    def load_best(self, device: torch.device | str = "cpu") -> dict[str, Any]:
        """What `describe` said of the network at its best epoch, and its weights."""
        return checkpoint.load(self.path / "best.pt", device, self.remedy)

    def write_metrics(self, history: list[dict[str, Any]]) -> None:
        """metrics.jsonl: one line an epoch, exactly the epochs of the last checkpoint."""
        self._write("metrics.jsonl", "".join(json.dumps(metrics) + "\n" for metrics in history))

    def write_events(self, metrics: dict[str, Any]) -> None:
        """Adds one epoch to the TensorBoard events under tensorboard/; an epoch that is trained again replaces the old one."""
        if distributed.rank() == 0:
            from torch.utils.tensorboard import SummaryWriter  # takes seconds to import, and few runs ask for it

            with SummaryWriter(str(self.path / "tensorboard"), purge_step=metrics["epoch"]) as writer:
                for name, value in metrics.items():
                    writer.add_scalar(name, value, metrics["epoch"])

    def read_metrics(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / "metrics.jsonl").read_text().splitlines()]

    def write_card(self, card: dict[str, Any]) -> None:
        """card.json, whose presence says that the stage is complete."""
        self._write(CARD, json.dumps(card, indent=2) + "\n")
        distributed.barrier()
        self.complete = True
        self.claim.give_back()  # others may use a finished stage while this process goes on with the next

    def read_card(self) -> dict[str, Any]:
        path = self.path / CARD
        try:
            card = json.loads(path.read_text())
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is damaged; delete it, and the stage writes it anew") from error
        if not isinstance(card, dict) or card.get("kind") != self.stage:
            raise ValueError(f"{path} is not the card of a {self.stage} stage; delete it, and the stage writes it anew")
        return card

    def _write(self, name: str, text: str) -> None:
        if distributed.rank() == 0:
            self.claim.check()
            write_atomically(self.path / name, lambda file: file.write(text.encode()))

    def _remove_partial(self) -> None:
        """Removes what `write_atomically` leaves, `.NAME.PID.part`, where a process was killed; only the owner knows that."""
        if self.claim.is_held:
            for file in self.path.glob(".*.part"):
                file.unlink(missing_ok=True)


@contextmanager
def owned(folders: Sequence[StageFolder], evaluation: dict[str, Any] | None = None) -> Iterator[None]:
    """Within the context those of the folders that are not finished are this process's. Raises ValueError for another's.

    evaluation: the settings of the evaluation that a finished folder's card must have.
    """
    unfinished = distributed.gather([not folder.is_finished(evaluation) for folder in folders])[0]
    with ExitStack() as stack:
        for folder, is_unfinished in zip(folders, unfinished, strict=True):
            if is_unfinished:  # as the first rank saw it, for all must take the same ones
                folder.claim.take()
                stack.callback(folder.claim.give_back)
        yield


def _completed(found: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """A nested configuration with the defaults of what it does not name."""
    whole = {**defaults, **found}
    for key, value in defaults.items():
        if isinstance(value, dict) and isinstance(whole[key], dict):
            whole[key] = _completed(whole[key], value)
    return whole


def _differences(found: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> list[str]:
    """One text per value in which two nested configurations differ."""
    texts = []
    for key in dict.fromkeys([*found, *wanted]):
        there, here = found.get(key), wanted.get(key)
        if isinstance(there, dict) and isinstance(here, dict):
            texts += _differences(there, here, f"{prefix}{key}.")
        elif there != here:
            texts.append(f"{prefix}{key} is {there} there and {here} here")
    return texts
