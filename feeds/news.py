"""Clean what strangers write before anyone keeps it, and keep the newest of it once.

A headline is data that will stand in a prompt: no control, zero-width, bidirectional or private
characters survive, compatibility forms are folded (NFKC), and its length is capped. What it *says*
is bounded elsewhere: no text can name a limit.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from domain.market import MAX_NEWS, NewsItem, WindowNews
from domain.records import format_ns

MAX_HEADLINE = 200
MAX_SUMMARY = 500
MAX_SOURCE = 40
REMEMBERED = 64
"""Headlines remembered beyond those kept, so that one story repeated by many counts once."""

_CUT = "..."
_MARKS_KEPT = 3
"""Combining marks on one letter that real scripts need; more is decoration that hides text."""


def clean(text: str, limit: int) -> str:
    """Return the text as one line of visible characters, at most `limit` long.

    Removed are Unicode's categories Cc, Cf (zero-width and bidirectional controls), Co, Cs and Cn;
    every kind of space becomes one space. Cut text ends in three dots.
    """
    folded = unicodedata.normalize("NFKC", text[: 4 * limit])
    visible = unicodedata.normalize("NFKC", "".join(_visible(folded)))
    line = " ".join(visible.split())
    if len(line) <= limit:
        return line
    kept = max(limit - len(_CUT), 0)
    return line[:kept].rstrip() + _CUT[:limit]


def _visible(text: str) -> Iterator[str]:
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category[0] == "M" else 0
        if char.isspace():
            yield " "
        elif category[0] != "C" and marks <= _MARKS_KEPT:
            yield char


def cleaned(item: NewsItem) -> NewsItem:
    """Return the article with every text of it cleaned and capped."""
    return replace(
        item,
        id=clean(item.id, MAX_SOURCE),
        headline=clean(item.headline, MAX_HEADLINE),
        summary=clean(item.summary, MAX_SUMMARY),
        source=clean(item.source, MAX_SOURCE),
    )


def spelled(item: NewsItem, symbols: Iterable[str]) -> NewsItem:
    """Spell the symbols it names our way: news says `BTCUSD` where streams say `BTC/USD`."""
    ours = {symbol.replace("/", ""): symbol for symbol in symbols}
    return replace(item, symbols=tuple(ours.get(symbol, symbol) for symbol in item.symbols))


class NewsShelf:
    """The newest articles of one symbol, each story once, newest first."""

    def __init__(self, size: int = MAX_NEWS) -> None:
        self._items: list[NewsItem] = []
        self._size = size
        self._stories: deque[str] = deque(maxlen=REMEMBERED)
        self._rows: tuple[WindowNews, ...] | None = None

    def put(self, item: NewsItem) -> bool:
        """Keep a cleaned article; False when its id or its headline is known already."""
        story = "".join(filter(str.isalnum, item.headline.casefold()))
        if f"#{item.id}" in self._stories or story in self._stories:
            return False
        self._stories.extend((f"#{item.id}", story))
        self._items.append(item)
        self._items.sort(key=lambda kept: (kept.ts_event, kept.id), reverse=True)
        del self._items[self._size :]
        self._rows = None
        return True

    def rows(self) -> tuple[WindowNews, ...]:
        """Return the articles as a window shows them."""
        if self._rows is None:
            self._rows = tuple(_row(item) for item in self._items)
        return self._rows


def _row(item: NewsItem) -> WindowNews:
    return WindowNews(
        id=item.id,
        ts=format_ns(item.ts_event),
        headline=item.headline,
        summary=item.summary,
        source=item.source,
    )
