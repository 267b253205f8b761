"""Turn recorded frames of one symbol into columns that can be played at any time."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from exchange.market.columns import (
    NO_QUOTES,
    PRINT_ROW,
    QUOTE_ROW,
    PrintLabel,
    Prints,
    QuoteLabel,
    Quotes,
    Rows,
    columns,
)
from exchange.market.minute import NS_PER_MINUTE
from exchange.market.records import Amendment, Article, Cancellation, Correction, Halt, Notice
from exchange.market.stamps import from_rfc3339

SYNTHETIC = "SYN"
"""The venue code of prints and quotes that nobody recorded. Alpaca has no such venue.

Not a condition code: a client must not take prints with conditions it does not know for prices.
"""

_PACKED_ROWS = 8_192
_SYNTHETIC_SIZE = 100.0
_CENT = 0.01
_TAKERS = {"B": 1, "S": -1}
_HALT_CODES = frozenset({"2", "H", "P"})  # sources: CTA and UTP, by Alpaca's status tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One symbol's recorded market, in the recording's own time; prints are never empty.

    A notice stands beside the time whose minute it belongs to: an amendment belongs to its print.
    """

    symbol: str
    prints: Prints
    quotes: Quotes
    notices: tuple[tuple[int, Notice], ...] = ()

    @property
    def start_ns(self) -> int:
        """Return the time of the first print."""
        return int(self.prints.rows["ts"][0])

    @property
    def end_ns(self) -> int:
        """Return the time just after the last print."""
        return int(self.prints.rows["ts"][-1]) + 1


class RecordingBuilder:
    """Collect one symbol's messages, in any order."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._prints = _Table(PRINT_ROW)
        self._quotes = _Table(QUOTE_ROW)
        self._print_labels: dict[tuple[Any, ...], int] = {}
        self._quote_labels: dict[tuple[Any, ...], int] = {}
        self._notices: list[Notice] = []
        self._takers: dict[str, Callable[[dict[str, Any], int, int], None]] = {
            "t": self._add_print,
            "q": self._add_quote,
            "s": self._add_halt,
            "x": self._add_cancellation,
            "c": self._add_correction,
        }

    def add(self, message: dict[str, Any], received_ns: int) -> None:
        """Take a message; bars are left out, because they are made anew from the prints.

        Raises `KeyError`, `TypeError` or `ValueError` for a message that is not Alpaca's.
        """
        take = self._takers.get(message["T"])
        if take:
            take(message, from_rfc3339(message["t"]), received_ns)

    def add_article(self, article: Article) -> None:
        """Take a news item that names the symbol."""
        self._notices.append(article)

    def build(self) -> Recording | None:
        """Return the recording, None when it has no print. Quotes it lacks are synthesised."""
        rows = self._prints.rows()
        if not len(rows):
            return None
        prints = Prints(rows, tuple(PrintLabel(*told) for told in self._print_labels))
        quotes = Quotes(
            self._quotes.rows(), tuple(QuoteLabel(*told) for told in self._quote_labels)
        )
        notices = [(_belongs_at(n, prints), n) for n in self._notices]
        notices.sort(key=lambda placed: placed[1].published_ns)
        return Recording(
            symbol=self.symbol,
            prints=prints,
            quotes=quotes
            if len(quotes.rows)
            else quotes_around(prints, is_crypto="/" in self.symbol),
            notices=tuple(notices),
        )

    def _add_print(self, m: dict[str, Any], ts: int, received_ns: int) -> None:
        label = (m.get("x", ""), tuple(m.get("c", ())), m.get("z", ""))
        nth = self._print_labels.setdefault(label, len(self._print_labels))
        price, size = m["p"], m["s"]
        if not (0 < price < inf and 0 < size < inf):
            raise ValueError(f"price {price!r} and size {size!r} must be above zero")
        taker = _TAKERS.get(m.get("tks", ""), 0)
        self._prints.add((ts, received_ns, price, size, m.get("i", 0), nth, taker))

    def _add_quote(self, m: dict[str, Any], ts: int, received_ns: int) -> None:
        label = (m.get("bx", ""), m.get("ax", ""), tuple(m.get("c", ())), m.get("z", ""))
        nth = self._quote_labels.setdefault(label, len(self._quote_labels))
        sides = (float(m[key]) for key in ("bp", "bs", "ap", "as"))
        self._quotes.add((ts, received_ns, *sides, nth))

    def _add_halt(self, m: dict[str, Any], ts: int, received_ns: int) -> None:
        is_halted = m["sc"] in _HALT_CODES
        reason = (m.get("rc", ""), m.get("rm", ""))
        self._notices.append(Halt(self.symbol, ts, received_ns, is_halted, *reason, m.get("z", "")))

    def _add_cancellation(self, m: dict[str, Any], ts: int, received_ns: int) -> None:
        self._notices.append(
            Cancellation(
                self.symbol, ts, received_ns, m["i"], m["p"], m["s"], m["x"], m["z"], m["a"]
            )
        )

    def _add_correction(self, m: dict[str, Any], ts: int, received_ns: int) -> None:
        self._notices.append(
            Correction(
                symbol=self.symbol,
                ts_event=ts,
                published_ns=received_ns,
                original_id=m["oi"],
                original_price=m["op"],
                original_size=m["os"],
                original_conditions=tuple(m["oc"]),
                corrected_id=m["ci"],
                corrected_price=m["cp"],
                corrected_size=m["cs"],
                corrected_conditions=tuple(m["cc"]),
                exchange=m["x"],
                tape=m["z"],
            )
        )


def quotes_around(prints: Prints, *, is_crypto: bool) -> Quotes:
    """Synthesise a quote one tick wide around each print that changes time or price, labelled.

    After a rise the print stands at the offer, after a fall at the bid (the tick rule; source: Lee
    and Ready 1991), as it would in a market whose spread is its tick. The tick is the smallest step
    between the prices printed, a cent at least for shares.
    """
    rows = prints.rows
    if not len(rows):
        return NO_QUOTES
    tick = max(smallest_step(rows["price"]), 0.0 if is_crypto else _CENT)
    is_new = np.ones(len(rows), np.bool_)
    is_new[1:] = (np.diff(rows["price"]) != 0) | (np.diff(rows["published"]) != 0)
    rows = rows[is_new]
    ask = rows["price"] + np.where(_rose(rows["price"]), 0.0, tick)
    quotes = columns(
        QUOTE_ROW,
        ts=rows["ts"],
        published=rows["published"],
        bid=np.round(np.maximum(ask - tick, 0.0), 9),
        ask=np.round(ask, 9),
        bid_size=_SYNTHETIC_SIZE,
        ask_size=_SYNTHETIC_SIZE,
        label=rows["label"],
    )
    labels = (QuoteLabel(SYNTHETIC, SYNTHETIC, ("R",), label.tape) for label in prints.labels)
    return Quotes(quotes, tuple(labels))


def _rose(prices: np.ndarray) -> np.ndarray:
    """Tell for each price whether the last change up to it was a rise; before any, it was."""
    change = np.sign(np.diff(prices, prepend=prices[0]))
    last = np.maximum.accumulate(np.where(change != 0, np.arange(len(prices)), 0))
    rose: np.ndarray = change[last] >= 0
    return rose


def smallest_step(prices: np.ndarray) -> float:
    """Return the smallest difference between distinct prices, one cent when there is one price."""
    steps = np.diff(np.unique(prices))
    return round(float(steps.min()), 9) if len(steps) else _CENT


def _belongs_at(notice: Notice, prints: Prints) -> int:
    """Return the time of the print that a notice amends, or its own; a stale amendment is late."""
    if not isinstance(notice, Amendment):
        return notice.published_ns
    hit = prints.rows["ts"][prints.rows["id"] == notice.amended_id]
    is_fresh = len(hit) and notice.published_ns // NS_PER_MINUTE - hit[0] // NS_PER_MINUTE <= 1
    return int(hit[0]) if is_fresh else notice.published_ns


class _Table:
    """Gather rows as tuples and pack them now and then: packed they take a tenth of the room."""

    def __init__(self, layout: np.dtype[np.void]) -> None:
        self._layout = layout
        self._packed: list[Rows] = []
        self._loose: list[tuple[Any, ...]] = []

    def add(self, row: tuple[Any, ...]) -> None:
        self._loose.append(row)
        if len(self._loose) >= _PACKED_ROWS:
            self._pack()

    def rows(self) -> Rows:
        """Return all rows, ordered by time, then by arrival."""
        self._pack()
        joined = np.concatenate(self._packed)
        ordered: Rows = joined[np.argsort(joined["ts"], kind="stable")]
        return ordered

    def _pack(self) -> None:
        self._packed.append(np.array(self._loose, self._layout))
        self._loose.clear()
