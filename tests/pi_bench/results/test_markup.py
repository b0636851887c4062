import re

from pi_bench.results.markup import Html, bars, element, table, text


def test_text_is_escaped_and_markup_is_not():
    assert text('<a href="x">&') == "&lt;a href=&quot;x&quot;&gt;&amp;"
    assert text(Html("<b>1</b>")) == "<b>1</b>"
    assert text(3) == "3"
    assert element("p", "a<b", element("i", "c>d"), kind="k") == '<p class="k">a&lt;b<i>c&gt;d</i></p>'


def test_a_string_made_from_markup_is_text_again():
    assert text(Html("<b>") + "x") == "&lt;b&gt;x"


def test_a_table_sets_numbers_apart_and_sums_last():
    found = table(("layer",), ("ms",), [("<a>", "1"), ("all", "1")], summed=True)
    assert '<th>layer</th><th class="n">ms</th>' in found
    assert '<tr><td>&lt;a&gt;</td><td class="n">1</td></tr>' in found
    assert found.count('<tr class="sum">') == 1


def test_bars_share_a_scale():
    found = bars([("a", 10.0, "10 ms", False), ("b", 40.0, "40 ms", True), ("c", 0.0, "0", False)])
    assert re.findall(r"width:([\d.]+)%", found) == ["15.00", "60.00", "0.00"]
    assert found.count('class="bar other"') == 1
    assert "width:0.00%" in bars([("a", 0.0, "0", False)])
