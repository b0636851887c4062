"""An evaluation's card as tables for a terminal, and as files: card.json and pictures."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from masks.atomic_file import write_json
from rlnet.evaluation import captions

DOCS = "docs/evaluation.md"


def write(card: dict[str, Any], folder: Path) -> None:
    """Writes the pictures, then card.json, whose presence says that the evaluation is complete."""
    from rlnet.evaluation.pictures import draw
    from rlnet.figures import write_figure

    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in draw(card).items():
        write_figure(figure, folder / name)
    write_json(folder / "card.json", card)


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
    """One column per mode: CA, NPA, mCE and the robust accuracy under every attack."""
    modes = card["modes"]
    attacks = list(next(iter(modes.values()))["adversarial"])
    rows = [("CA", [mode["clean"]["accuracy"] for mode in modes.values()])]
    rows += [(label, [mode[key] for mode in modes.values()]) for label, key in (("NPA", "corrupted"), ("mCE", "mce"))]
    rows += [(attack.upper(), [mode["adversarial"][attack]["accuracy"] for mode in modes.values()]) for attack in attacks]
    for label, key in (("adaptive", "adaptive"), ("worst case", "worst_case")):
        rows.append((label, [mode.get(key, {}).get("accuracy") for mode in modes.values()]))
    table = Table("", title=f"eps {card['attack']['eps']}; corruptions {card['corruptions']}")
    for name in modes:
        table.add_column(name, justify="right")
    for label, values in rows:
        if any(value is not None for value in values):
            table.add_row(label, *map(percent, values))
    any_mode = next(iter(modes.values()))
    attacked = any_mode["worst_case"]["n"] if "worst_case" in any_mode else 0
    counts = captions.images(any_mode["clean"]["n"], any_mode.get("corrupted_images", 0), attacked)
    over = [] if any_mode["corrupted"] is None else [f"NPA over {captions.corruptions(any_mode['corruptions'])}"]
    table.caption = "; ".join([*over, counts])
    return table


def crafted(card: dict[str, Any]) -> Table:
    """Images made on one path, or on another network, and shown to every mode; how many of them the switch notices."""
    modes, detections = list(card["modes"]), card.get("switch", {}).get("made_on", [None] * len(card["crafted"]))
    table = Table(
        "made on", "attack", title="attacked images, shown to each mode", caption="AUC: of attacked against clean images"
    )
    for mode in modes:
        table.add_column(mode, justify="right")
    if "switch" in card:
        table.add_column("sent to adversarial", justify="right")
        table.add_column("AUC", justify="right")
    else:
        table.caption = None
    for row, found in zip(card["crafted"], detections, strict=True):
        noticed = [] if found is None else [percent(found["detection"]), f"{found['auc']:.2f}"]
        table.add_row(row["made_on"], row["attack"].upper(), *(percent(row["shown_to"][mode]) for mode in modes), *noticed)
    return table


def percent(value: float | None) -> str:
    """A fraction as people read it, a dash for what was not measured."""
    return "-" if value is None else f"{value:.1%}"


def _about_switch(about: dict[str, Any]) -> str:
    held_out = about["held_out"]
    text = (
        f"switch by {about['score']}, threshold {about['threshold']:.4g}: on {held_out['n']:,} held-out images CA "
        f"{held_out['auto']:.1%} against {held_out['normal']:.1%} in mode normal ({about['clean_loss']:.1%} may be lost)"
    )
    if (border := captions.one_path(about["threshold"])) is not None:
        text += f"; {border}"
    if about["made_on"]:
        text += f"; false alarms: {about['made_on'][0]['false_alarms']:.1%} of clean test images"
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
            lines.append(f"| {name} | {mode} | {' | '.join(map(percent, values))} |")
    return "\n".join(lines)
