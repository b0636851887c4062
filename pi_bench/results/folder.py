"""What a run leaves in a folder: cards, a picture and a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pi_bench.results import card_file, page, picture


def write(cards: Sequence[dict[str, Any]], folder: Path) -> None:
    """Writes a card for each, picture.png and page.html."""
    for made, name in zip(cards, file_names(cards), strict=True):
        card_file.write(made, folder / name)
    draw(cards, folder)


def draw(cards: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Writes picture.png and page.html of cards that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    picture.write_png(cards, folder / "picture.png")
    page.write(cards, folder / "page.html")


def file_names(cards: Sequence[dict[str, Any]]) -> list[str]:
    """MODEL[-MODE]-PROTOCOL-NETWORK.json; with the start of the model's digest where two models have the same name."""
    models = [_model(made) for made in cards]
    digests: dict[str, set[str]] = {}
    for made, model in zip(cards, models, strict=True):
        digests.setdefault(model, set()).add(made["model"]["sha256"])
    names = []
    for made, model in zip(cards, models, strict=True):
        name = model if len(digests[model]) == 1 else f"{model}-{made['model']['sha256'][:8]}"
        names.append(f"{name}-{made['protocol']}-{made['network']['name']}.json")
    assert len(set(names)) == len(names), names
    return names


def _model(made: Mapping[str, Any]) -> str:
    name, mode = Path(made["model"]["path"]).stem, made["model"]["mode"]
    return name if mode is None else f"{name}-{mode}"
