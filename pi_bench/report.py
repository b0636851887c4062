"""Cards shown again: in the terminal, as a picture and a page, or as a Markdown table.

python -m pi_bench report results/pi_bench --out results/pi_bench
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_bench.cli import command
from pi_bench.progress import say
from pi_bench.results import card_file
from pi_bench.results.order import place_among_all


@dataclass(frozen=True)
class ReportConfig:
    """Shows cards again that the benchmark has written.

    Args:
        out: folder for picture.png and page.html; without one they are not drawn.
        markdown: print a Markdown table instead of everything.
        all_layers: the table of a single card shows every layer.
    """

    out: Path | None = None
    markdown: bool = False
    all_layers: bool = False


def read_cards(place: Path) -> list[dict[str, Any]]:
    """The cards of a folder, or one: by network, those with more ReLUs first, of a model by protocol. Raises ValueError."""
    if place.is_file():
        return [card_file.read(place)]
    files = sorted(place.glob("*.json"))
    if not files:
        raise ValueError(f"there are no cards in {place}; python -m pi_bench MODEL.onnx --out {place} writes some")
    return sorted(map(card_file.read, files), key=place_among_all)


def report(cards: Path, config: ReportConfig) -> None:
    """Prints and draws the cards of a folder, or one."""
    found = read_cards(cards)
    say(f"showing {len(found)} cards of {cards}" if len(found) > 1 else f"showing the card {cards}")

    from pi_bench.results import markdown, terminal

    if config.markdown:
        print(markdown.table(found))
    else:
        terminal.show(found, all_layers=config.all_layers)
    if config.out is not None:
        from pi_bench.results import folder

        folder.draw(found, config.out)


def main(arguments: list[str] | None = None) -> int:
    return command(report, ReportConfig, arguments, positional={"cards": (Path, "a card, or a folder of cards")})
