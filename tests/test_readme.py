"""The README's numbers are those of the committed cards."""

import json
from pathlib import Path

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
