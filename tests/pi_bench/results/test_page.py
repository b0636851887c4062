import re
from html.parser import HTMLParser

import pytest

from pi_bench.results import card, page

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
    assert reader.tags.count("details") == len(cards)
    assert reader.text.count("relu1") == reader.text.count("relu2") == len(cards)
    for made in cards:
        total = sum(layer["ms"] for layer in made["layers"])
        assert f"{total:,.2f}" in reader.text


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
