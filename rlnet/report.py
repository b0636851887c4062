"""The table of a finished run, and its pictures drawn again.

python -m rlnet.report runs/digits/relu-50k
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rlnet.card import network_title, read_card
from rlnet.cli import announce, command


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
    from rlnet.comparison import backbones, searches
    from rlnet.evaluation import shown
    from rlnet.tables import show

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
    if card.get("kind") in ("evaluation", "student"):
        announce(f"{path}: drawing its pictures again")
    if card.get("kind") == "evaluation":
        shown.write(card, path)
        shown.show(card, path)
        return
    if card.get("kind") != "student":
        raise ValueError(f"{path} is neither a finished student's folder, such as runs/digits/relu-50k, nor one of cards")
    from rlnet.plots import draw

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
