"""The table of a finished run, and its pictures drawn again.

python -m rlnet.report runs/digits/relu-50k
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from rlnet.card import network_title, read_card
from rlnet.cli import command
from rlnet.comparison import backbones, searches
from rlnet.evaluation import shown
from rlnet.plots import draw


def accuracy_table(rows: dict[str, dict], relus: dict[str, str] | None = None) -> Table:
    """Accuracies by row name, as a table: CA, NPA and AdvA (the first attack), then the other attacks."""
    attacks = list(dict.fromkeys(attack for accuracy in rows.values() for attack in accuracy["adversarial"]))
    table = Table()
    table.add_column("network")
    if relus is not None:
        table.add_column("ReLUs", justify="right")
    headers = [f"AdvA ({attack.upper()})" if i == 0 else attack.upper() for i, attack in enumerate(attacks)]
    for header in ("CA", "NPA", *headers):
        table.add_column(header, justify="right")
    for name, accuracy in rows.items():
        values = [accuracy["clean"], accuracy["corrupted"], *(accuracy["adversarial"].get(a) for a in attacks)]
        cells = ["-" if value is None else f"{value:.1%}" for value in values]
        table.add_row(name, *([] if relus is None else [relus[name]]), *cells)
    return table


def show(card: dict, folder: Path) -> None:
    """Prints what a finished student is worth and where it lies."""
    relu, images = card["relu"], card["evaluation"]["images"]
    table = accuracy_table(
        {"all-ReLU teacher": card["teacher"], "partial-ReLU student": card["accuracy"]},
        {"all-ReLU teacher": f"{relu['total']:,}", "partial-ReLU student": f"{relu['kept']:,}"},
    )
    table.title = f"{network_title(card['network'])}, on {card['dataset']}"
    console = Console()
    console.print(table)
    low, high = card["evaluation"]["ci95"]["clean"]
    attack = card["evaluation"]["attack"]
    console.print(
        f"CA clean, NPA the mean over 15 corruptions x 5 severities (mode normal), AdvA at eps {attack['eps']} "
        f"(mode adversarial); {images['clean']:,} test images, the student's CA lies in [{low:.1%}, {high:.1%}] (95%)."
    )
    console.print(f"{folder}/card.json, student.onnx, best.pt and plots", highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class ReportConfig:
    """Prints a finished run's table and draws its pictures again.

    Args:
        device: not used; every command has it.
    """

    device: Literal["cpu"] = "cpu"


def cards_table(cards: dict[str, dict]) -> str:
    """Student cards by name as a Markdown table, each with its teacher."""
    attacks = list(dict.fromkeys(attack for card in cards.values() for attack in card["accuracy"]["adversarial"]))
    lines = [
        f"| run | network | ReLUs | eps | CA | NPA | {' | '.join(f'AdvA {attack.upper()}' for attack in attacks)} |",
        "|---|---|--:|--:|--:|--:|" + "--:|" * len(attacks),
    ]
    for name, card in cards.items():
        network = network_title(card["network"])
        for role, accuracy, relus in (
            ("teacher", card["teacher"], card["relu"]["total"]),
            ("student", card["accuracy"], card["relu"]["kept"]),
        ):
            values = [accuracy["clean"], accuracy["corrupted"], *(accuracy["adversarial"].get(a) for a in attacks)]
            cells = " | ".join("-" if value is None else f"{value:.1%}" for value in values)
            eps = card["evaluation"]["attack"]["eps"]
            lines.append(f"| {name} | {network}, {role} | {relus:,} | {eps} | {cells} |")
    return "\n".join(lines)


def evaluations(path: Path) -> dict[str, dict]:
    """The evaluation cards in the folders of a folder of cards, by "FOLDER, NAME"; their files are evaluation-NAME.json."""
    files = sorted(path.glob("*/evaluation-*.json"))
    return {f"{file.parent.name}, {file.stem.partition('-')[2]}": read_card(file) for file in files}


def report(path: Path, config: ReportConfig) -> None:
    """Prints a student's or an evaluation's table and draws its pictures; of a folder of cards, prints the Markdown tables."""
    cards = {file.parent.name: read_card(file) for file in sorted(path.glob("*/card.json"))}
    students = {name: card for name, card in cards.items() if card.get("kind") == "student"}
    if "student" in students:
        path, students = path / "student", {}
    if students:
        print(cards_table(students))
        if found := evaluations(path):
            print("\n" + shown.markdown(found))
        if compared := backbones.read(path):
            print("\n" + backbones.markdown(compared))
        return
    if found := searches.read(path):
        print(searches.markdown(found))
        return
    card = read_card(path / "card.json") if (path / "card.json").exists() else {}
    if card.get("kind") == "evaluation":
        shown.write(card, path)
        shown.show(card, path)
        return
    if card.get("kind") != "student":
        raise ValueError(f"{path} is neither a finished student's folder, such as runs/digits/relu-50k, nor one of cards")
    draw(path)
    show(card, path)


def main(arguments: list[str] | None = None) -> int:
    return command(
        report,
        ReportConfig,
        arguments,
        positional={"path": (Path, "a student's, its budget's or an evaluation's folder, or a folder of cards")},
    )


if __name__ == "__main__":
    sys.exit(main())
