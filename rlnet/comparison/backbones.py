"""Backbones side by side, each with all its ReLUs and linearized: what they are worth, and what they cost under encryption.

A folder for each backbone holds the student's card.json, and as secure-teacher.json and secure-student.json the cards of
`python -m pi_bench` for the exported networks; the card of the search that found the backbone lies beside them as nas.json.
"""

from pathlib import Path
from typing import Any

from rlnet.card import network_title, read_card
from rlnet.evaluation.shown import percent

ROLES = ("teacher", "student")
Backbones = dict[str, dict[str, Any]]
"""By the folder's name: the student's card as "card", the secure runs' by role."""


def read(path: Path) -> Backbones:
    """The backbones in a folder; none where no folder has secure runs. Raises ValueError for a damaged card."""
    folders = [folder for folder in sorted(path.glob("*/")) if all((folder / f"secure-{role}.json").exists() for role in ROLES)]
    return {
        folder.name: {"card": read_card(folder / "card.json")}
        | {role: read_card(folder / f"secure-{role}.json") for role in ROLES}
        for folder in folders
    }


def markdown(backbones: Backbones) -> str:
    """As a Markdown table, two rows for each: all its ReLUs, and the budget."""
    attacks = list(dict.fromkeys(a for found in backbones.values() for a in found["card"]["accuracy"]["adversarial"]))
    networks = list(dict.fromkeys(found[role]["network"]["name"] for found in backbones.values() for role in ROLES))
    headers = ["CA", "NPA", *(f"AdvA {attack.upper()}" for attack in attacks), f"online, {' or '.join(networks)}"]
    lines = [f"| backbone | ReLUs | MACs | {' | '.join(headers)} |", "|---|--:|--:|" + "--:|" * len(headers)]
    for name, found in backbones.items():
        card = found["card"]
        for role, accuracy in zip(ROLES, (card["teacher"], card["accuracy"]), strict=True):
            secure = found[role]
            values = [accuracy["clean"], accuracy["corrupted"], *(accuracy["adversarial"].get(attack) for attack in attacks)]
            latency = secure["online"]["latency_ms"]
            low, high = latency["ci95"]
            cells = [
                f"{name}: {network_title(card['network'])}" if role == "teacher" else "",
                f"{secure['relu']['kept']:,}",
                f"{secure['macs'] / 1e6:.1f} M",
                *map(percent, values),
                f"{latency['median']:.0f} ms ({low:.0f}-{high:.0f})",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
