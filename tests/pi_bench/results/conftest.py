"""Cards as they were written before offline costs were told apart and comparisons had bits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pi_bench.results import card


@pytest.fixture
def make_older(make_card: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Makes such a card and reads it as it is read today."""

    def make(**arguments: Any) -> dict[str, Any]:
        older = json.loads(json.dumps(make_card(**arguments)))
        del (
            older["comparison"],
            older["model"]["mode"],
            older["correctness"]["out_of_range"],
            older["correctness"]["images_sha256"],
        )
        older["offline"] = {key: older["offline"][key] for key in ("seconds", "seconds_ci95", "bytes_per_party")}
        for layer in older["layers"]:
            del layer["serial_bytes"]
        path = tmp_path / "older.json"
        path.write_text(json.dumps(older))
        return card.read(path)

    return make
