"""HTML from strings, safe by default: only what is made here is markup, every other string is text and is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from pi_bench.units import plain


class Html(str):
    """Markup; there is no need to make one of a string that did not come from here."""


def text(value: object) -> Html:
    """Anything as markup: escaped, unless it is markup."""
    return value if isinstance(value, Html) else Html(escape(plain(str(value))))


def element(tag: str, *contents: object, kind: str = "") -> Html:
    """<tag class="kind">contents</tag>, the contents escaped."""
    attribute = f' class="{kind}"' if kind else ""
    return Html(f"<{tag}{attribute}>{''.join(text(content) for content in contents)}</{tag}>")


def table(words: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[object]], *, summed: bool = False) -> Html:
    """A table whose first columns, headed `words`, hold text and the others numbers. summed: the last row is the sum."""
    rows = [
        Html("".join(element("td", cell, kind="" if i < len(words) else "n") for i, cell in enumerate(row))) for row in rows
    ]
    head = [*(element("th", word) for word in words), *(element("th", number, kind="n") for number in numbers)]
    last = [element("tr", rows.pop(), kind="sum")] if summed else []
    whole = element(
        "table", element("thead", element("tr", *head)), element("tbody", *(element("tr", row) for row in rows), *last)
    )
    return element("div", whole, kind="scroll")


def bars(rows: Sequence[tuple[str, float, str, bool]]) -> Html:
    """Horizontal bars: name, length in any unit, what it is in words, and whether it is set off from the others."""
    longest = max(length for _, length, _, _ in rows) or 1
    cells = []
    for name, length, words, other in rows:
        bar = Html(f'<div class="bar{" other" if other else ""}" style="width:{60 * length / longest:.2f}%"></div>')
        cells += [element("div", name, kind="name"), element("div", bar, element("span", words, kind="value"), kind="track")]
    return element("div", *cells, kind="bars")
