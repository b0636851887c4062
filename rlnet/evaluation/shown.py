"""An evaluation's card as tables for a terminal, and as files: card.json and pictures."""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from rich.console import Console
from rich.table import Table

from masks.atomic_file import write_atomically
from rlnet.evaluation.pictures import draw

DOCS = "docs/evaluation.md"


def write(card: dict[str, Any], folder: Path) -> None:
    """Writes the pictures, then card.json, whose presence says that the evaluation is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in draw(card).items():
        write_atomically(folder / name, lambda file, figure=figure: figure.savefig(file, format="png", dpi=120))
        plt.close(figure)
    write_atomically(folder / "card.json", lambda file: file.write(json.dumps(card, indent=2).encode() + b"\n"))


def show(card: dict[str, Any], folder: Path) -> None:
    """Prints the tables and warnings of a card, and where its files lie."""
    console = Console()
    console.print(accuracies(card))
    if card["crafted"]:
        console.print(crafted(card))
    if "switch" in card:
        console.print(_about_switch(card["switch"]), highlight=False)
    for warning in card["warnings"]:
        console.print(f"[bold]warning[/] {warning['name']}: {warning['text']} ({DOCS})", highlight=False)
    console.print(f"{folder}/card.json and pictures", highlight=False, soft_wrap=True)


def accuracies(card: dict[str, Any]) -> Table:
    """One row per mode: CA, NPA, mCE and the robust accuracy under every attack."""
    modes = card["modes"]
    attacks = list(next(iter(modes.values()))["adversarial"])
    has_adaptive = any("adaptive" in mode for mode in modes.values())
    table = Table(title=f"eps {card['attack']['eps']}; corruptions {card['corruptions']}")
    table.add_column("mode")
    for header in (
        "CA",
        "NPA",
        "mCE",
        *(attack.upper() for attack in attacks),
        *(["adaptive"] if has_adaptive else []),
        "worst",
    ):
        table.add_column(header, justify="right")
    for name, mode in modes.items():
        found = [mode["adversarial"][attack]["accuracy"] for attack in attacks]
        found += [mode.get("adaptive", {}).get("accuracy")] if has_adaptive else []
        values = [mode["clean"]["accuracy"], mode["corrupted"], mode["mce"], *found, mode.get("worst_case", {}).get("accuracy")]
        table.add_row(name, *("-" if value is None else f"{value:.1%}" for value in values))
    any_mode = next(iter(modes.values()))
    images = [f"{any_mode['clean']['n']:,} clean"]
    images += [f"{any_mode['worst_case']['n']:,} attacked"] if "worst_case" in any_mode else []
    table.caption = f"images: {', '.join(images)}; 95% intervals in card.json; worst: right whatever any attack does"
    return table


def crafted(card: dict[str, Any]) -> Table:
    """Images made on one path, or on another network, and shown to every mode."""
    modes = list(card["modes"])
    table = Table(title="attacked images, shown to other paths than the one they were made on")
    for header in ("made on", "attack", *(f"shown to {mode}" for mode in modes)):
        table.add_column(header, justify="right" if header.startswith("shown") else "left")
    for row in card["crafted"]:
        table.add_row(row["made_on"], row["attack"].upper(), *(f"{row['shown_to'][mode]:.1%}" for mode in modes))
    return table


def _about_switch(about: dict[str, Any]) -> str:
    held_out = about["held_out"]
    text = (
        f"switch by {about['score']}, threshold {about['threshold']:.4g}: on {held_out['n']:,} held-out images CA "
        f"{held_out['auto']:.1%} against {held_out['normal']:.1%} in mode normal ({about['clean_loss']:.1%} may be lost)"
    )
    for origin, found in about["made_on"].items():
        text += (
            f"; of images made on {origin} {found['detection']:.1%} take the adversarial path, of clean ones "
            f"{found['false_alarms']:.1%} (AUC {found['auc']:.2f})"
        )
    return text


def markdown(cards: dict[str, dict[str, Any]]) -> str:
    """Evaluation cards by name as a Markdown table, a row for each mode."""
    attacks = list(
        dict.fromkeys(attack for card in cards.values() for mode in card["modes"].values() for attack in mode["adversarial"])
    )
    headers = ["network", "mode", "CA", "NPA", *(attack.upper() for attack in attacks), "adaptive", "worst"]
    lines = [f"| {' | '.join(headers)} |", "|---|---|" + "--:|" * (len(headers) - 2)]
    for name, card in cards.items():
        for mode, found in card["modes"].items():
            robust = [found["adversarial"].get(attack) for attack in attacks] + [found.get("adaptive"), found.get("worst_case")]
            values = [found["clean"]["accuracy"], found["corrupted"], *(value and value["accuracy"] for value in robust)]
            cells = ("-" if value is None else f"{value:.1%}" for value in values)
            lines.append(f"| {name} | {mode} | {' | '.join(cells)} |")
    return "\n".join(lines)
