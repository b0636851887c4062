"""What a card says, in sentences for the terminal and the page."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from pi_bench.cost import OFFLINE_WAYS
from pi_bench.results.order import Card
from pi_bench.results.series import interleaved
from pi_bench.results.statistics import Ratio, ratio_of_medians
from pi_bench.units import duration, plain, size, span, times

ROLES = ("server", "client", "dealer")
FEW = 3  # more are compared in tables only


def headline(card: Card) -> str:
    """What a secure inference takes, in one paragraph."""
    online, latency, offline = card["online"], card["online"]["latency_ms"], card["offline"]
    images = "one image" if card["batch"] == 1 else f"a batch of {card['batch']} images"
    relu, sent, receiver = card["relu"], online["bytes"], received(card)[0]
    mode = "" if card["model"]["mode"] is None else f" in mode {plain(card['model']['mode'])}"
    return (
        f"{plain(card['model']['path'])}{mode} keeps {relu['kept']:,} of {relu['total']:,} ReLUs. For {images}, "
        f"{plain(card['protocol'])} takes {duration(latency['median'])} online on "
        f"{network_words(card['network'])}: median of {latency['n']}; 95% "
        f"{span(*latency['ci95'])}; p90 {duration(latency['p90'])}. It takes {online['rounds']:,} rounds; the server sends "
        f"{size(sent['server'])}, the client {size(sent['client'])}. Before the image is known (offline): "
        f"{duration(1000 * offline['seconds'])} and {size(offline['bytes_per_party'])} received by {receiver}."
    )


def received(card: Card) -> tuple[str, dict[str, int]]:
    """Which party receives more offline, in words, and how many bytes by who sends them, which older cards do not know."""
    found: dict[str, dict[str, int]] = {"server": {}, "client": {}}
    if card["offline"]["bytes"] is None:
        return "one party", {"unknown": card["offline"]["bytes_per_party"]}
    for way in OFFLINE_WAYS:
        sender, _, receiver = way.partition("_to_")
        found[receiver][sender] = card["offline"]["bytes"][way]
    more = max(found, key=lambda party: sum(found[party].values()))
    return f"the {more}", found[more]


def offline_rows(card: Card) -> list[tuple[str, str, str]]:
    """What is known of an inference's offline phase: what, as measured, and as the formulas say ("" where they do not)."""
    offline = card["offline"]
    known = offline["bytes"] is not None and offline["predicted"] is not None
    rows = [
        (way.replace("_", " "), size(offline["bytes"][way]), size(offline["predicted"][way]))
        for way in (OFFLINE_WAYS if known else ())
    ]
    for key, what, words in (
        ("seconds_by_role", "time of the {}", lambda seconds: duration(1000 * seconds)),
        ("held_bytes", "held by the {} until it is used", size),
        ("peak_bytes", "most memory that the {} has had", size),
        ("ahead", "held by the {} before the first image", _ahead),
    ):
        found = offline[key] or {}
        rows += [(what.format(role), words(found[role]), "") for role in ROLES if role in found]
    return rows


def _ahead(held: Mapping[str, int]) -> str:
    where = f"{size(held['memory_bytes'])} in memory, {size(held['disk_bytes'])} on disk"
    return f"{held['inferences']} inferences: {where}"


def comparison_bits(card: Card) -> str | None:
    """How many bits of a value the comparisons read, and how that was chosen; None where they read all of every value."""
    found = card["comparison"]
    if found is None:
        return None
    least, most = (of(found["bits"].values(), default=0) for of in (min, max))
    bits = f"{least} bits at every site" if least == most else f"{least} bits at the least, {most} at the most"
    if found["calibration_images"] is not None:
        return (
            f"{bits}, so that values {found['safety']} times as large as the largest of {found['calibration_images']} "
            "calibration images can be compared"
        )
    return f"{bits}, which are all there are" if least == 64 - card["precision_bits"] else f"{bits}, as they were given"


def site_rows(card: Card) -> list[tuple[str, str, str, str]]:
    """Of each site with comparisons: its name, kept ReLUs, bits, and the magnitude from which on a value is out of range."""
    sites, precision = card["relu"]["sites"], card["precision_bits"]
    return [
        (plain(site), f"{sites[site]['kept']:,}" if site in sites else "-", f"{bits}", f"{2.0 ** (bits - 1 - precision):,g}")
        for site, bits in (card["comparison"] or {"bits": {}})["bits"].items()
    ]


def network_words(network: Mapping[str, Any]) -> str:
    """A network's name with what it is: "wan (400 Mbit/s, 40 ms round trip, emulated)"."""
    if network["rtt_ms"] is None and network["mbit_per_s"] is None:
        return {"loopback": "loopback (one machine, nothing added)", "real": "a real network"}.get(network["name"], "a network")
    speed = "no limit" if network["mbit_per_s"] is None else f"{network['mbit_per_s']:g} Mbit/s"
    delay = "no delay added" if network["rtt_ms"] is None else f"{network['rtt_ms']:g} ms round trip"
    return f"{plain(network['name'])} ({speed}, {delay}, {'emulated' if network['emulated'] else 'not emulated'})"


def correctness(card: Card) -> str:
    """How far the secure answers agree with plaintext, as far as the run could know."""
    found = card["correctness"]
    images, said = f"{found['images']:,}", []
    if found["match_rate"] is not None:
        matches, interval = round(found["match_rate"] * found["images"]), _percents(found["match_ci95"])
        said.append(f"{matches:,} of {images} answers are those of plaintext ({found['match_rate']:.1%}; 95% {interval})")
        largest, mean = found["max_abs_logit_error"], found["mean_abs_logit_error"]
        said.append(f"logits differ by {largest:.2g} at most, {mean:.2g} on average")
    if found["wraps"] is not None:
        expected = "" if found["expected_wraps"] is None else f" ({found['expected_wraps']:.2g} expected)"
        said.append(f"{found['wraps']:,} truncations wrapped{expected}, in {found['wrapped_images']:,} of {images} images")
    if found["out_of_range"] is not None and card["comparison"] is not None:
        said.append(f"{found['out_of_range']:,} values out of the range of their comparison")
    said.append(f"{card['precision_bits']} bits after the binary point")
    accuracy = found["accuracy"]
    if accuracy is not None:
        plaintext = "" if accuracy["plain"] is None else f"; in plaintext {accuracy['plain']:.1%} on the same images"
        said.append(
            f"accuracy under encryption {accuracy['encrypted']:.1%} (95% {_percents(accuracy['ci95'])}, {images} images)"
            f"{plaintext}"
        )
    return "; ".join(said)


def correctness_cells(card: Card) -> list[str]:
    """The same as cells of a table: match, its interval, largest error, wraps, values out of range, accuracy under
    encryption and in plaintext."""
    found = card["correctness"]
    rate, accuracy = found["match_rate"], found["accuracy"] or {"encrypted": None, "plain": None}
    return [
        "-" if rate is None else f"{rate:.1%} of {found['images']:,}",
        "-" if rate is None else _percents(found["match_ci95"]),
        "-" if rate is None else f"{found['max_abs_logit_error']:.2g}",
        *("-" if found[key] is None else f"{found[key]:,}" for key in ("wraps", "out_of_range")),
        *("-" if accuracy[key] is None else f"{accuracy[key]:.1%}" for key in ("encrypted", "plain")),
    ]


def _percents(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{low:.1%}-{high:.1%}"


def not_measured(card: Card) -> str:
    """What a reader might think was measured, and was not."""
    network = card["network"]
    missing = ["starting the processes and reading the model"]
    if network["emulated"]:
        missing.append("a real network (its delay and bandwidth were added in the processes, without loss or other traffic)")
    elif network["name"] == "real" and len({party["machine"] for party in card["parties"].values()}) == 1:
        missing.append("two machines (all parties ran on one, perhaps in network namespaces)")
    elif network["rtt_ms"] is None and network["name"] == "loopback":
        missing.append("a network (all parties ran on one machine)")
    if card["correctness"]["match_rate"] is None:
        missing.append("whether the answers are those of plaintext (the client alone does not know them)")
    if card["correctness"]["wraps"] is None:
        missing.append("wrapped truncations")
    if card["correctness"]["accuracy"] is None:
        missing.append("accuracy (no labels were given)")
    if card["online"]["compute_ms"] is None:
        missing.append("how much of the time was computing")
    if card["online"]["latency_ms"]["n"] < 20:
        missing.append(f"enough repeats for a firm interval ({card['online']['latency_ms']['n']}; 20 are a good number)")
    return "; ".join(missing)


def by_network(cards: Sequence[Card]) -> dict[str, list[Card]]:
    """The cards by the network they ran on, each list in the order given."""
    networks: dict[str, list[Card]] = {}
    for card in cards:
        networks.setdefault(network_words(card["network"]), []).append(card)
    return networks


def models(cards: Sequence[Card]) -> list[str]:
    """A short name for each card's model, with its mode where that is known: "relu-50k (adversarial)"."""
    modes = ["" if card["model"]["mode"] is None else f" ({plain(card['model']['mode'])})" for card in cards]
    return [f"{file}{mode}" for file, mode in zip(_files(cards), modes, strict=True)]


def _files(cards: Sequence[Card]) -> list[str]:
    """What is left of each model's path without the folders and the file name that all share."""
    paths = [PurePath(card["model"]["path"]).parts or ("",) for card in cards]
    if len(set(paths)) == 1:
        return [plain(paths[0][-1])] * len(cards)
    first, last = 0, 0
    while len({path[: first + 1] for path in paths}) == 1:
        first += 1
    while min(map(len, paths)) > first + last + 1 and len({path[len(path) - last - 1 :] for path in paths}) == 1:
        last += 1
    return [plain("/".join(path[first : len(path) - last])) for path in paths]


def labels(cards: Sequence[Card]) -> list[str]:
    """Who a card is about, among others: "relu-50k with crypten (50,000 ReLUs)"."""
    return [
        f"{model} with {plain(card['protocol'])} ({card['relu']['kept']:,} ReLUs)"
        for model, card in zip(models(cards), cards, strict=True)
    ]


def comparison(cards: Sequence[Card]) -> list[str]:
    """Sentences on cards of one network: each of a few against the first, and the line through the budgets."""
    first, sentences = cards[0], []
    names = labels(cards)
    others = list(zip(cards, names, strict=True))[1:]
    for card, name in others if len(others) <= FEW else ():
        bytes_ratio = times(card["online"]["bytes_per_party"] / first["online"]["bytes_per_party"])
        sentences.append(
            f"{name} takes {ratio_words(card, first)} the time and {bytes_ratio} the bytes of {names[0]}, "
            f"in {card['online']['rounds']:,} rounds instead of {first['online']['rounds']:,}."
        )
    fits = {card["protocol"]: card["fit"] for card in cards if card["fit"] is not None}
    return sentences + [f"{plain(protocol)}: {fit_words(fit)}." for protocol, fit in fits.items()]


def ratio_words(card: Card, reference: Card) -> str:
    """Latency of a card in multiples of the reference's, with the paired interval where their repeats were interleaved."""
    found = ratio(card, reference)
    if found is None:
        return times(card["online"]["latency_ms"]["median"] / reference["online"]["latency_ms"]["median"])
    return f"{times(found.value)} ({times(found.ci95[0])[:-1]}-{times(found.ci95[1])[:-1]})"


def ratio(card: Card, reference: Card) -> Ratio | None:
    """The ratio of the medians with its interval; None for cards of different runs, which nothing pairs."""
    if not interleaved([card, reference]):
        return None
    return ratio_of_medians(card["online"]["repeats_ms"], reference["online"]["repeats_ms"])


def fit_words(fit: Mapping[str, Any]) -> str:
    """The line through latency and kept ReLUs."""
    slope = 1000 * fit["slope_ms_per_relu"]
    interval = "" if fit["slope_ci95"] is None else " (95% {:.3g}-{:.3g})".format(*(1000 * end for end in fit["slope_ci95"]))
    return (
        f"{slope:.3g} ms per 1,000 kept ReLUs{interval} above {duration(fit['intercept_ms'])}, R² {fit['r2']:.4f} over "
        f"{len(fit['budgets'])} budgets"
    )
