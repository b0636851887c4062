"""Whole searches, and what of them must be the same whenever they are done again."""

import dataclasses
import json
from pathlib import Path

import pytest

from rlnet.nas.__main__ import search_network
from rlnet.nas.config import NasConfig


def search_into(factory: pytest.TempPathFactory, config: NasConfig) -> Path:
    """The folder of runs of one search. To be copied, not written to."""
    runs = factory.mktemp("searched") / "runs"
    search_network(dataclasses.replace(config, runs=runs))
    return runs


def results(folder: Path) -> tuple[bytes, dict]:
    """spec.json and the card without what may differ."""
    card = json.loads((folder / "card.json").read_text())
    return (folder / "spec.json").read_bytes(), {k: v for k, v in card.items() if k not in ("seconds", "command", "commit")}
