"""Read the query of a market data request; nonsense is a 400 in the venue's manner."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from exchange.data.refusals import bad_request
from exchange.market.stamps import from_rfc3339
from exchange.market.timeframe import Timeframe

_STOCK = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,15}\Z")
_PAIR = re.compile(r"[A-Z0-9]{1,12}/[A-Z0-9]{1,6}\Z")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_FEEDS = frozenset({"iex", "sip", "otc", "boats", "delayed_sip", "overnight"})
_ADJUSTMENTS = frozenset({"raw", "split", "dividend", "spin-off", "all"})
_MOST_POINTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a history request asks for. Times are closed at both ends, in nanoseconds."""

    symbols: tuple[str, ...]
    start_ns: int
    end_ns: int
    limit: int
    newest_first: bool
    token: str | None

    def of_all(self) -> "Span":
        """Return the span as one list of everything, whose points have no symbol of their own."""
        return replace(self, symbols=("",))


class DataQuery:
    """Read parameters of one request made at venue time `now_ns`."""

    def __init__(self, parameters: Mapping[str, str], *, now_ns: int) -> None:
        self._parameters = parameters
        self.now_ns = now_ns

    def text(self, name: str) -> str | None:
        """Return a parameter, None when absent or empty."""
        return self._parameters.get(name) or None

    def symbols(self, *, is_crypto: bool) -> tuple[str, ...]:
        """Return the asked symbols, sorted and each once; at least one."""
        names = [name for name in (self.text("symbols") or "").split(",") if name]
        if not names:
            raise bad_request("symbols is required")
        return tuple(sorted({checked_symbol(name, is_crypto=is_crypto) for name in names}))

    def span(self, symbols: tuple[str, ...], *, day_start_ns: int) -> Span:
        """Return the asked span; it starts with the day and ends now unless told otherwise."""
        return Span(
            symbols=symbols,
            start_ns=self.instant("start", day_start_ns),
            end_ns=self.instant("end", self.now_ns),
            limit=self.limit(default=1_000, most=_MOST_POINTS),
            newest_first=self._newest_first(default="asc"),
            token=self.text("page_token"),
        )

    def news_span(self) -> Span:
        """Return the span of a news request: newest first, ten articles, any symbol."""
        names = (self.text("symbols") or "").split(",")
        return Span(
            symbols=tuple(name.replace("/", "") for name in names if name),
            start_ns=self.instant("start", 0),
            end_ns=self.instant("end", self.now_ns),
            limit=self.limit(default=10, most=50),
            newest_first=self._newest_first(default="desc"),
            token=self.text("page_token"),
        )

    def timeframe(self) -> Timeframe:
        """Return the asked length of bars."""
        text = self.text("timeframe")
        if text is None:
            raise bad_request("timeframe is required")
        try:
            return Timeframe.parse(text)
        except ValueError as error:
            raise bad_request(str(error)) from None

    def feed(self) -> str | None:
        """Return the asked feed, None for the plan's best."""
        feed = self.text("feed")
        if feed is not None and feed not in _FEEDS:
            raise bad_request(f"invalid feed: {feed}")
        return feed

    def check_adjustment(self) -> None:
        """Refuse an unknown adjustment; known ones change nothing, nothing here ever splits."""
        asked = self.text("adjustment") or "raw"
        if not _ADJUSTMENTS.issuperset(asked.split(",")):
            raise bad_request(f"invalid adjustment: {asked}")

    def instant(self, name: str, default_ns: int) -> int:
        """Return a time or date; a `+` that was not escaped arrives as a space."""
        text = self.text(name)
        if text is None:
            return default_ns
        unescaped = re.sub(r" (\d\d:?\d\d)\Z", r"+\1", text) if "T" in text else text
        try:
            return from_rfc3339(unescaped)
        except ValueError:
            raise bad_request(f"invalid {name}: {text}") from None

    def limit(self, *, default: int, most: int) -> int:
        """Return how many points a page may hold."""
        text = self.text("limit")
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
            raise bad_request(f"invalid limit: {text}, it must be between 1 and {most}")
        return int(text)

    def flag(self, name: str) -> bool:
        """Return a boolean, False when absent."""
        text = (self.text(name) or "false").lower()
        if text not in _BOOLEANS:
            raise bad_request(f"invalid {name}: {text}")
        return _BOOLEANS[text]

    def _newest_first(self, *, default: str) -> bool:
        sort = self.text("sort") or default
        if sort not in ("asc", "desc"):
            raise bad_request(f"invalid sort: {sort}")
        return sort == "desc"


def checked_symbol(name: str, *, is_crypto: bool) -> str:
    """Return a symbol of the right spelling; whether it is listed is another question."""
    if not (_PAIR if is_crypto else _STOCK).match(name):
        raise bad_request(f"invalid symbol: {name}")
    return name
