"""A stage's folder: its configuration, metrics, checkpoints and card. The folder is the state of the stage."""

import json
import os
from pathlib import Path
from typing import Any

import torch
import yaml

from masks.atomic_file import write_atomically
from rlnet.training import checkpoint, distributed


class StageFolder:
    """`runs/<experiment>/.../<stage>/` with config.yaml, metrics.jsonl, last.pt, best.pt and, when complete, card.json.

    config: all that the stage's numbers depend on, as plain values. defaults: of the settings, for a folder made before one of
    them existed; a new setting's default must be what was done before. stage: what its card and progress call it, by default
    the folder's name. Nothing is written before `open`, and every file is
    written atomically, by the first rank only. complete: whether the stage has its card, the same on all ranks.
    """

    def __init__(self, path: Path, config: dict[str, Any], defaults: dict[str, Any], stage: str | None = None):
        self.path, self.config, self.defaults = path, config, defaults
        self.stage = stage or path.name
        self.complete = False
        self.remedy = f"delete the folder {path} to start that stage anew"

    def check(self) -> None:
        """Raises ValueError where the folder holds a stage of another configuration, naming what differs."""
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

    def open(self) -> None:
        """Makes the folder ready to be written to; a complete one is left as it is. Raises ValueError as `check` does."""
        self.check()
        if distributed.rank() == 0:
            self.path.mkdir(parents=True, exist_ok=True)
            _remove_partial(self.path)
            if not (self.path / "config.yaml").exists():
                self._write("config.yaml", yaml.safe_dump(self.config, sort_keys=False))
        distributed.barrier()
        self.complete = (self.path / "card.json").exists()
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
        if distributed.rank() == 0:
            checkpoint.save(self.path / "last.pt", content)
        distributed.barrier()

    def save_best(self, content: dict[str, Any]) -> None:
        if distributed.rank() == 0:
            checkpoint.save(self.path / "best.pt", content)
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
        self._write("card.json", json.dumps(card, indent=2) + "\n")
        distributed.barrier()
        self.complete = True

    def read_card(self) -> dict[str, Any]:
        path = self.path / "card.json"
        try:
            card = json.loads(path.read_text())
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is damaged; delete it, and the stage writes it anew") from error
        if not isinstance(card, dict) or card.get("kind") != self.stage:
            raise ValueError(f"{path} is not the card of a {self.stage} stage; delete it, and the stage writes it anew")
        return card

    def _write(self, name: str, text: str) -> None:
        if distributed.rank() == 0:
            write_atomically(self.path / name, lambda file: file.write(text.encode()))


def _remove_partial(folder: Path) -> None:
    """Removes what `write_atomically` leaves, `.NAME.PID.part`, where the process PID was killed."""
    for file in folder.glob(".*.part"):
        process = int(file.name.split(".")[-2])
        if process == os.getpid() or not _is_running(process):  # this process writes nothing now
            file.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True


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
