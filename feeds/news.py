"""Clean what strangers write before anyone keeps it, and keep the newest of it once.

A headline is data that will stand in a prompt: what survives is `domain.text.clean`'s business.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Iterable

from msgspec.structs import replace

from domain.market import MAX_NEWS, NewsItem, WindowNews
from domain.records import format_ns
from domain.text import clean

MAX_HEADLINE = 200
MAX_SUMMARY = 500
MAX_SOURCE = 40
REMEMBERED = 64
"""Headlines remembered beyond those kept, so that one story repeated by many counts once."""

# Greek and Cyrillic letters drawn like Latin ones, upper and lower case after folding to lower.
# Source: Unicode's confusables (UTS 39), the rows of single letters.
_LOOKALIKES = str.maketrans(
    "\u03b1\u0430\u0432\u03b2\u0441\u03b5\u0435\u04bb\u03b9\u0456\u0458\u03ba\u043a\u043c\u03bd"
    "\u03bf\u043e\u03c1\u0440\u0455\u03c4\u0442\u03c5\u0443\u03c7\u0445\u03b6\u0501\u051b\u051d",
    "aabbceehiijkkmvooppsttuyxxzdqw",
)


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


def told_by(headline: str) -> str:
    """Return what makes a headline the same story: its letters and digits, however they are drawn.

    Case, accents, punctuation and letters of other scripts that look like Latin ones do not make a
    new story of an old one.
    """
    plain = unicodedata.normalize("NFKD", headline.casefold()).translate(_LOOKALIKES)
    return "".join(filter(str.isalnum, plain))


class NewsShelf:
    """The newest articles of one symbol, each story once, newest first."""

    def __init__(self, size: int = MAX_NEWS) -> None:
        self._items: list[NewsItem] = []
        self._size = size
        self._ids: deque[str] = deque(maxlen=REMEMBERED)
        self._stories: deque[str] = deque(maxlen=REMEMBERED)
        self._rows: tuple[WindowNews, ...] | None = None

    def put(self, item: NewsItem) -> bool:
        """Keep a cleaned article; False when its id or its headline is known already."""
        story = told_by(item.headline)
        if item.id in self._ids or story in self._stories:
            return False
        self._ids.append(item.id)
        self._stories.append(story)
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
