"""The README's numbers are those of the committed cards."""

import json
from pathlib import Path
from statistics import median

from rlnet.report import cards_table

ROOT = Path(__file__).parent.parent


def test_results_table_is_made_from_the_committed_cards():
    """The table between the markers is what `python -m rlnet.report results` prints."""
    text = (ROOT / "README.md").read_text()
    start, end = "<!-- results: python -m rlnet.report results -->\n", "\n<!-- end of results -->"
    table = text[text.index(start) + len(start) : text.index(end)]
    cards = {file.parent.name: json.loads(file.read_text()) for file in sorted((ROOT / "results").glob("*/card.json"))}
    assert table.strip() == cards_table(cards)


def test_the_two_commands_are_the_first_lines():
    """The README's first code block installs and runs the main job, then the tests; .ci/run calls both."""
    lines = (ROOT / "README.md").read_text().split("```bash\n")[1].split("\n```")[0].splitlines()
    commands = [line.partition("#")[0].strip() for line in lines]
    assert commands == ["pip install uv && uv run python -m rlnet.finetune --relu-budget 50k", "uv run pytest"]
    ci = (ROOT / ".ci" / "run").read_text()
    assert "uv run python -m rlnet.finetune --relu-budget 50k" in ci
    assert "\nuv run pytest\n" in ci


def test_speeds_are_those_of_the_committed_card():
    """The ratios in the text are the medians of the benchmark's card."""
    card = json.loads((ROOT / "results" / "benchmark" / "steps.json").read_text())
    teacher, search, student, relu = (median(found["ratio"]) for found in card["ms_per_image"].values())
    claim = f"teacher {teacher:.2f}x, mask search {search:.2f}x, fine-tuning {student:.2f}x, the partial ReLU alone {relu:.1f}x"
    assert claim in " ".join((ROOT / "README.md").read_text().split())
