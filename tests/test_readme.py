"""The README's numbers are those of the committed cards."""

import json
from pathlib import Path
from statistics import fmean, median

import pytest

from pi_bench.report import read_cards
from pi_bench.results import card_file, markdown
from rlnet.comparison import backbones, searches
from rlnet.evaluation import shown
from rlnet.report import cards_table, evaluations

ROOT = Path(__file__).parent.parent


def test_results_table_is_made_from_the_committed_cards():
    """The table between the markers is what `python -m rlnet.report results` prints."""
    text = (ROOT / "README.md").read_text()
    start, end = "<!-- results: python -m rlnet.report results -->\n", "\n<!-- end of results -->"
    table = text[text.index(start) + len(start) : text.index(end)]
    cards = {file.parent.name: json.loads(file.read_text()) for file in sorted((ROOT / "results").glob("*/card.json"))}
    assert table.strip() == cards_table(cards)


def test_the_evaluations_are_those_of_the_committed_cards():
    """The second table of `python -m rlnet.report results`: every evaluation card, each mode a row."""
    text = (ROOT / "README.md").read_text()
    start, end = "<!-- evaluations: python -m rlnet.report results -->\n", "<!-- end of evaluations -->"
    cards = evaluations(ROOT / "results")
    assert len(cards) >= 6
    assert text[text.index(start) + len(start) : text.index(end)].strip() == shown.markdown(cards)


def test_the_speed_of_attacks_is_that_of_the_committed_card():
    """Ratios of whole runs on the same images, beside what each leaves."""
    card = json.loads((ROOT / "results" / "benchmark" / "evaluate.json").read_text())
    pgd, auto = card["attacks"]["pgd-20"], card["attacks"]["autoattack"]
    bf16, full, shipped = (
        auto["references"][name] for name in ("ours, searching in bf16", "torchattacks, 100 steps", "torchattacks")
    )
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"PGD-20 {pgd['references']['torchattacks']['total_ratio']:.2f}x" in text
    assert f"AutoAttack {full['total_ratio']:.2f}x" in text
    assert f"in bf16 {full['total_ratio'] / bf16['total_ratio']:.2f}x, and leaves {bf16['robust_accuracy']:.1%}" in text
    assert f"{shipped['total_ratio']:.2f}x, and leaves {shipped['robust_accuracy']:.1%}" in text
    corrupted = median(card["corruptions"]["ms_per_image"]["all"]["ratio"])
    assert f"75 corruption sets {corrupted:.1f}x" in text


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


SECURE = read_cards(ROOT / "results" / "pi_bench")


def test_the_secure_inference_table_is_made_from_the_committed_cards():
    """The table between the markers is what `python -m pi_bench report results/pi_bench --markdown` prints."""
    text = (ROOT / "README.md").read_text()
    start = "<!-- secure inference: python -m pi_bench report results/pi_bench --markdown -->\n"
    table = text[text.index(start) + len(start) : text.index("\n<!-- end of secure inference -->")]
    assert table.strip() == markdown.table(SECURE)


def secure(phase: str, protocol: str, network: str, kept: int) -> dict:
    """What the committed card says of a phase."""
    (found,) = (
        card[phase]
        for card in SECURE
        if (card["protocol"], card["network"]["name"], card["relu"]["kept"]) == (protocol, network, kept)
    )
    return found


def gains(network: str, kept: int = 50_000) -> tuple[float, float, float]:
    """The median of one-trip in seconds, and how many times that CrypTen's two ways take."""
    ours, crypten, plain = (
        secure("online", protocol, network, kept)["latency_ms"]["median"]
        for protocol in ("one-trip", "crypten", "crypten-plain")
    )
    return ours / 1000, crypten / ours, plain / ours


def test_the_gains_are_those_of_the_committed_cards():
    text = " ".join((ROOT / "README.md").read_text().split())
    (wan_s, wan_crypten, wan_plain), (_, lan_crypten, lan_plain) = gains("wan"), gains("lan")
    ours, plain = (secure("online", protocol, "wan", 50_000)["bytes_per_party"] for protocol in ("one-trip", "crypten-plain"))
    assert f"{wan_s:.2f} s on `wan`, {wan_crypten:.1f}x less than `crypten` and {wan_plain:.1f}x less than" in text
    assert f"on `lan` {lan_crypten:.1f}x and {lan_plain:.1f}x less, with {plain / ours:.0f}x fewer bytes than" in text
    everything, half = gains("wan", 557_056)[0], gains("wan", 12_900)[0]
    assert f"from {everything:.2f} s with all ReLUs to {half:.2f} s with 12,900" in text
    none, many = (secure("offline", "one-trip", "loopback", kept)["bytes_per_party"] for kept in (0, 150_000))
    assert (
        f"about {(many - none) / 150_000:.0f} bytes each" in text and f"above {none / 1e6:.1f} MB for the linear layers" in text
    )


def test_the_precision_table_is_that_of_the_committed_cards():
    """Answers lost, wraps expected and counted, and the largest error of a logit, by fractional bits, of two networks."""
    rows = []
    for bits in range(10, 17):
        cells = [str(bits)]
        for name in ("digits", "resnet18"):
            card = card_file.read(ROOT / "results" / "precision" / f"{name}-{bits}.json")
            found = card["correctness"]
            assert card["precision_bits"] == bits and found["out_of_range"] == 0
            lost = round(found["images"] * (1 - found["match_rate"]))
            cells += [f"{lost} of {found['images']}", f"{found['expected_wraps']:.1e}", str(found["wraps"])]
            cells += [f"{found['max_abs_logit_error']:.2g}"]
        rows.append(f"| {' | '.join(cells)} |")
    text = (ROOT / "docs" / "secure-inference.md").read_text()
    assert "\n".join(rows) in text


@pytest.mark.parametrize("data", ["digits", "cifar10-subset"])
def test_the_backbones_are_those_of_the_committed_cards(data: str):
    """Each table in the docs is what `python -m rlnet.report results/backbones/DATA` prints last."""
    text = (ROOT / "docs" / "backbones.md").read_text()
    start = f"<!-- backbones: python -m rlnet.report results/backbones/{data} -->\n"
    found = backbones.read(ROOT / "results" / "backbones" / data)
    assert len(found) == 4
    table = text[text.index(start) + len(start) :]
    assert table[: table.index("<!-- end of backbones -->")].strip() == backbones.markdown(found)


@pytest.mark.parametrize("what", ["sampling", "tutors"])
def test_the_searches_are_those_of_the_committed_cards(what: str):
    """Each table in the docs is what `python -m rlnet.report results/searches/WHAT` prints."""
    text = (ROOT / "docs" / "backbones.md").read_text()
    start = f"<!-- searches: python -m rlnet.report results/searches/{what} -->\n"
    found = searches.read(ROOT / "results" / "searches" / what)
    assert {len(runs) for runs in found.values()} == {3}
    table = text[text.index(start) + len(start) :]
    assert table[: table.index("<!-- end of searches -->")].strip() == searches.markdown(found)


def test_the_predictors_errors_are_those_of_the_committed_card():
    """Its test, and what became of its promises."""
    search = json.loads((ROOT / "results" / "searches" / "nsga2" / "card.json").read_text())["search"]
    found, finalists = search["predictor"]["test"], search["finalists"]
    mean = {
        (kind, name): fmean(100 * one[kind][name] for one in finalists)
        for kind in ("predicted", "judged")
        for name in ("clean", "adversarial")
    }
    rmse, of_mean, tau = found["rmse"], found["rmse_of_mean"], found["kendall_tau"]
    text = " ".join((ROOT / "docs" / "backbones.md").read_text().split())
    assert (
        f"tested on {found['networks']} others, it is off by {100 * rmse['adversarial']:.1f} points of adversarial accuracy "
        f"(the mean alone by {100 * of_mean['adversarial']:.1f}; Kendall's tau {tau['adversarial']:.2f}) and by "
        f"{100 * rmse['clean']:.1f} of clean accuracy ({100 * of_mean['clean']:.1f}; tau {tau['clean']:.2f})"
    ) in text
    assert (
        f"promised {mean['predicted', 'adversarial']:.1f}% and judged {mean['judged', 'adversarial']:.1f}% under attack, "
        f"{mean['predicted', 'clean']:.1f}% and {mean['judged', 'clean']:.1f}% clean"
    ) in text
