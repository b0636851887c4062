"""Whole searches, where they are interrupted, and what of them must be the same whenever they are done again."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlnet.nas.config import NasConfig
from rlnet.nas.whole import search_network


def search_into(factory: pytest.TempPathFactory, config: NasConfig) -> Path:
    """The folder of runs of one search. To be copied, not written to."""
    runs = factory.mktemp("searched") / "runs"
    search_network(dataclasses.replace(config, runs=runs))
    return runs


def results(folder: Path) -> tuple[bytes, dict]:
    """spec.json, judged.csv, and the card without what may differ."""
    card = json.loads((folder / "card.json").read_text())
    files = (folder / "spec.json").read_bytes() + (folder / "judged.csv").read_bytes()
    return files, {k: v for k, v in card.items() if k not in ("seconds", "command", "commit")}


def interrupt(patch: pytest.MonkeyPatch, owner: Any, name: str, when: Callable[..., bool]) -> list[tuple[Any, ...]]:
    """Ctrl-C in the first call of a function or method for whose arguments `when` is true.

    Returns the arguments of all calls so far, that one and later ones too; the list grows.
    """
    function, calls, interrupted = getattr(owner, name), [], []

    def wrapper(*arguments: Any) -> Any:
        calls.append(arguments)
        if not interrupted and when(*arguments):
            interrupted.append(True)
            raise KeyboardInterrupt
        return function(*arguments)

    patch.setattr(owner, name, wrapper)
    return calls


def search_interrupted(config: NasConfig) -> dict[str, Any]:
    """The card of a search that ends by Ctrl-C and is started again."""
    with pytest.raises(KeyboardInterrupt):
        search_network(config)
    return search_network(config)


def without_search(searched: Path, runs: Path, folder: Path) -> None:
    """Copies runs without what was judged, and without a search's own folder: its supernet is left."""
    shutil.copytree(searched, runs)
    shutil.rmtree(runs / folder)
    shutil.rmtree(next((runs / folder).parent.glob("nas-*/judged")))
