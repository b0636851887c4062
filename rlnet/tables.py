"""What a stage prints: the accuracies of a teacher and its student as tables for a terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from rlnet.card import network_title
from rlnet.evaluation import captions


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
    eps, measured = card["evaluation"]["attack"]["eps"], card["evaluation"]["corruptions"]
    parts = [f"CA clean, the student's in [{low:.1%}, {high:.1%}] (95%)"]
    parts += [f"NPA the mean over {captions.corruptions(measured)}"] if card["accuracy"]["corrupted"] is not None else []
    parts = [f"{', '.join(parts)} (mode normal)"]
    parts += [f"AdvA at eps {eps} (mode adversarial)"] if card["accuracy"]["adversarial"] else []
    counts = captions.images(images["clean"], images["corrupted"], images["adversarial"])
    console.print(f"{', '.join(parts)}; {counts}.", highlight=False)
    switch = card.get("switch")
    if switch is not None and (border := captions.one_path(switch["threshold"])) is not None:
        console.print(f"Mode auto: {border}.", highlight=False)
    console.print(
        f"{folder}/card.json, best.pt, plots, and student.onnx: mode normal, the path for images that nobody attacks "
        f"(python -m rlnet.export {folder} --mode adversarial, or both)",
        highlight=False,
        soft_wrap=True,
    )
