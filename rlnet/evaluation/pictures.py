"""Pictures of an evaluation's card: accuracy under every corruption and attack, over eps, and how well the switch tells."""

from typing import Any

from matplotlib.figure import Figure

from rlnet.attacks import Pixels
from rlnet.card import network_title

COLOURS = {"normal": "tab:blue", "adversarial": "tab:red", "auto": "tab:green"}
STYLES = ("-", "--", ":", "-.")


def draw(card: dict[str, Any]) -> dict[str, Figure]:
    """The pictures that a card has the numbers for, by file name."""
    figures = {}
    if any(mode["corruptions"] for mode in card["modes"].values()):
        figures["corruptions.png"] = corruptions(card)
    if card["curve"] or any(mode["adversarial"] for mode in card["modes"].values()):
        figures["attacks.png"] = attacks(card)
    if card.get("switch", {}).get("made_on"):
        figures["switch.png"] = switch(card)
    return figures


def corruptions(card: dict[str, Any]) -> Figure:
    """The accuracy under each corruption: a bar from the worst severity to the best, a mark at the mean."""
    modes = card["modes"]
    names = list(next(iter(modes.values()))["corruptions"])
    figure = Figure(figsize=(8, 0.34 * len(names) * max(1, len(modes) * 0.6) + 1.4), layout="constrained")
    axis = figure.subplots()
    width = 0.8 / len(modes)
    for offset, (mode, found) in enumerate(modes.items()):
        places = [row + width * (offset - (len(modes) - 1) / 2) for row in range(len(names))]
        values = [found["corruptions"][name] for name in names]
        low, high = [min(v) for v in values], [max(v) for v in values]
        axis.barh(
            places,
            [b - a for a, b in zip(low, high, strict=True)],
            left=low,
            height=width * 0.7,
            color=COLOURS[mode],
            alpha=0.35,
        )
        means = [sum(v) / len(v) for v in values]
        label = (
            mode
            if found["corrupted"] is None
            else f"{mode}: NPA {found['corrupted']:.1%}, clean {found['clean']['accuracy']:.1%}"
        )
        axis.plot(means, places, "o", markersize=4, color=COLOURS[mode], label=label)
        axis.axvline(found["clean"]["accuracy"], color=COLOURS[mode], linewidth=0.8, linestyle=":")
    axis.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=8)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1.02), xlabel="accuracy: mean, and range over severities 1 to 5; dotted: clean", title=_title(card))
    axis.legend(fontsize=8, loc="lower left")
    return figure


def attacks(card: dict[str, Any]) -> Figure:
    """Left: the robust accuracy under each attack with its 95% interval. Right: over eps."""
    modes = card["modes"]
    names = list(next(iter(modes.values()))["adversarial"])
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    bars, curve = figure.subplots(1, 2)
    extra = (("adaptive", "adaptive"), ("worst case", "worst_case"))
    columns = ["clean", *names, *(label for label, key in extra if any(key in found for found in modes.values()))]
    width = 0.8 / len(modes)
    for offset, (mode, found) in enumerate(modes.items()):
        shown = {"clean": found["clean"], **found["adversarial"]}
        shown |= {label: found[key] for label, key in extra if key in found}
        for column, label in enumerate(columns):
            if label in shown:
                value, (low, high) = shown[label]["accuracy"], shown[label]["ci95"]
                place = column + width * (offset - (len(modes) - 1) / 2)
                bars.bar(place, value, width * 0.95, color=COLOURS[mode], alpha=0.8, label=mode if column == 0 else None)
                bars.errorbar(place, value, [[max(0, value - low)], [max(0, high - value)]], color="black", linewidth=0.8)
        bars.set_xticks(range(len(columns)), columns, rotation=30, ha="right", fontsize=8)
    bars.set(ylim=(0, 1.02), ylabel="accuracy, 95% interval", title=f"attacks at eps {card['attack']['eps']}")
    bars.legend(fontsize=8)
    for found in card["curve"]:
        eps = [0.0] + [float(Pixels(point["eps"])) * 255 for point in found["points"]]
        points = found["points"]
        values = [modes[found["mode"]]["clean"]["accuracy"]] + [point["accuracy"] for point in points]
        curve.plot(eps, values, ".-", color=COLOURS[found["mode"]], label=f"{found['mode']}, {found['attack'].upper()}")
        curve.fill_between(
            eps[1:],
            [point["ci95"][0] for point in points],
            [point["ci95"][1] for point in points],
            color=COLOURS[found["mode"]],
            alpha=0.15,
        )
    if card["curve"]:
        curve.set_xscale("symlog", base=2, linthresh=2)
        ticks = sorted({round(value) for value in eps})
        curve.set_xticks(ticks, ticks)
        curve.legend(fontsize=8)
    curve.set(ylim=(0, 1.02), xlabel="eps, in levels of 255", ylabel="robust accuracy", title=_title(card))
    return figure


def switch(card: dict[str, Any]) -> Figure:
    """The fraction of attacked images that the switch sends to the adversarial path over that of clean ones."""
    about = card["switch"]
    figure = Figure(figsize=(5.2, 5), layout="constrained")
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="lightgray", linewidth=1)
    attacks = list(dict.fromkeys(found["attack"] for found in about["made_on"]))
    for found in about["made_on"]:
        colour = COLOURS.get(found["made_on"], "tab:gray")
        style = STYLES[attacks.index(found["attack"]) % len(STYLES)]
        false_alarms, detection = zip(*found["curve"], strict=True)
        label = f"{found['attack'].upper()} on {found['made_on']}: AUC {found['auc']:.2f}"
        axis.plot(false_alarms, detection, style, color=colour, linewidth=1.2, label=label)
        axis.plot(found["false_alarms"], found["detection"], "o", markersize=4, color=colour)
    axis.set(
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        xlabel="false alarms: clean images sent to the adversarial path",
        ylabel="detection: attacked images sent there",
        title=f"switch by {about['score']}, threshold {about['threshold']:.3g} (dots)",
    )
    axis.legend(fontsize=7, loc="lower right")
    return figure


def _title(card: dict[str, Any]) -> str:
    network = card.get("network")
    return f"{network_title(network)}, on {card['dataset']}" if network else "evaluation"
