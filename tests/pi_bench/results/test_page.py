import re
from html.parser import HTMLParser

import pytest

from pi_bench.results import card, page
from pi_bench.results.causes import causes
from pi_bench.results.sentences import offline_rows

VOID = {"meta", "br", "hr", "img", "input", "link", "col"}


class Reader(HTMLParser):
    """Collects tags and text, and what is opened but not closed or closed but not opened."""

    def __init__(self, content: str):
        super().__init__(convert_charrefs=True)
        self.open, self.wrong, self.tags, self.words, self.attributes = [], [], [], [], []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, words):
        self.words.append(words)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


LAN = {"name": "lan", "rtt_ms": 0.3, "mbit_per_s": 3000.0, "emulated": True}
WAN = {"name": "wan", "rtt_ms": 40.0, "mbit_per_s": 400.0, "emulated": True}


@pytest.fixture
def cards(make_card):
    lan = [make_card(kept=kept, name=f"relu-{sum(kept)}/s.onnx") for kept in ((60, 40), (30, 20), (400, 100))]
    return card.with_fits([*lan, make_card(protocol="crypten-plain", name="relu-100/s.onnx"), make_card(network=WAN)])


def test_a_page_is_well_formed(make_card, cards):
    for some in ([make_card()], [make_card(labels=False, waiting=False)], cards):
        reader = Reader(page.render(some))
        assert (reader.wrong, reader.open) == ([], [])


def test_a_page_needs_nothing_from_outside(cards):
    content = page.render(cards)
    reader = Reader(content)
    assert not {"script", "link", "iframe", "img", "object", "embed", "base"} & set(reader.tags)
    for _, name, value in reader.attributes:
        if name in ("src", "href", "xlink:href", "action"):
            assert value.startswith("#")
    outside = set(re.findall(r"https?://[^\s\"'<)]+", content))
    assert outside <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"@import|url\((?!#)", content)


def test_a_page_says_what_was_found(make_card):
    made = make_card()
    text = Reader(page.render([made])).text
    for words in (
        "student.onnx keeps 100 of 500 ReLUs",
        "49 of 50 answers are those of plaintext",
        "trusted dealer that does not collude",
        "A <fast> one",
        "python -m pi_bench student.onnx",
        "a real network (its delay",
        "torch 2.13",
        "2026-01-02",
    ):
        assert words in text


def test_every_layer_of_every_run_is_there_and_summed(cards):
    reader = Reader(page.render(cards))
    assert reader.tags.count("details") == 2 * len(cards)  # layers and the offline phase
    assert reader.text.count("relu1") == reader.text.count("relu2") == len(cards)
    for made in cards:
        total = sum(layer["ms"] for layer in made["layers"])
        assert f"{total:,.2f}" in reader.text


def test_the_offline_phase_is_told_by_direction_and_role(make_card):
    made = make_card(protocol="one-trip")
    text = Reader(page.render([made])).text
    assert "22.0 ms offline before it; 90.1 kB received by the server" in text
    assert "on lan: 22.0 ms, 90.1 kB received by the server" in text
    for what, measured, predicted in offline_rows(made):
        assert f"{what} {measured} {predicted}".strip() in text
    assert "offline those of the party that receives more" in text


def test_comparison_bits_stand_by_site_once_for_all_networks(make_card):
    cards = [make_card(protocol=protocol, network=network) for network in (LAN, WAN) for protocol in ("one-trip", "crypten")]
    text = Reader(page.render(cards)).text.split("Comparison bits")[1].split("Trust")[0]
    assert (
        text.count("21 bits at the least, 24 at the most") == text.count("relu1 60 21 16") == text.count("relu2 40 24 128") == 1
    )
    assert "Comparison bits" not in Reader(page.render([make_card()])).text


def test_values_out_of_range_have_their_column(make_result):
    result = make_result(protocol="one-trip")
    result["correctness"]["out_of_range"] = 4321
    text = Reader(page.render([card.build(result, ""), card.build(make_result(), "")])).text
    assert "largest error wraps out of range accuracy" in text and "0.0021 1 4,321 90.0%" in text


def test_what_costs_most_is_said_in_the_words_of_the_terminal(cards):
    text = Reader(page.render(cards)).text
    assert all(f"{what}: {said}" in text for what, said in causes(cards))


def test_an_older_card_has_a_page_without_what_it_does_not_know(make_older, make_card):
    reader, today = (Reader(page.render([made])) for made in (make_older(), make_card()))
    assert (reader.wrong, reader.open) == ([], [])
    assert "received by one party" in reader.text and "Offline, by direction" not in reader.text
    for heading in ("What costs most", "Online, offline, once", "Predicted beside measured", "Layer by layer", "Right answers"):
        assert heading in reader.text and heading in today.text


def test_several_runs_are_compared_on_each_network_with_bars_to_one_scale(cards):
    content = page.render(cards)
    assert "Online latency on lan" in content and "<h3>Online latency on wan" not in content  # there is one run on wan only
    widths = [float(width) for width in re.findall(r'class="bar(?: other)?" style="width:([\d.]+)%"', content)]
    medians = [made["online"]["latency_ms"]["median"] for made in cards[:4]]
    assert widths == pytest.approx([60 * ms / max(medians) for ms in medians], abs=0.01)
    assert "R² " in content


def test_whatever_comes_out_of_a_card_is_text(make_result):
    evil = '<script>alert("1")</script>&<b>'
    result = make_result(name=f"{evil}.onnx")
    result["trust"] = result["layers"][1]["name"] = result["parties"]["server"]["hardware"]["processor"] = evil
    result["network"]["name"] = result["setup"]["network"] = evil
    result["protocol"] = result["provider"] = evil
    made = card.build(result, evil)
    for cards in ([made], [made, made]):
        reader = Reader(page.render(cards))
        assert reader.wrong == [] and reader.open == []
        assert "script" not in reader.tags and evil in reader.text


def test_a_page_is_written_whole_or_not_at_all(make_card, tmp_path):
    path = tmp_path / "out" / "page.html"
    page.write([make_card()], path)
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    with pytest.raises(ValueError, match="at least one card"):
        page.write([], path)
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]
