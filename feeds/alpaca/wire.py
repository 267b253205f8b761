"""Name the messages of Alpaca's market-data streams, as the wire spells them.

A frame is an array of maps that name their kind in `T`. The structs hold only what we use; unknown
keys are skipped by the decoder. Source of kinds and keys: Alpaca, "Real-time Stock Data",
"Real-time Crypto Data", "Streaming Real-Time News" and its WebSocket overview.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec
from msgspec.msgpack import Ext

from domain.records import NS_PER_S, parse_ns

Stamp = Ext
"""A time on the wire: MessagePack's timestamp extension. JSON's texts are turned into it first."""

_SECONDS = (1 << 34) - 1


class Message(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="T"):
    """Base of everything a stream sends. Fields stand in the venue's order: it decodes faster."""


class QuoteMessage(
    Message,
    frozen=True,
    gc=False,
    kw_only=True,
    tag="q",
    rename={"symbol": "S", "bid": "bp", "bid_size": "bs", "ask": "ap", "ask_size": "as"},
):
    """Best bid and offer. A price of 0 means no quote on that side; sizes are shares or coins."""

    symbol: str
    bid: float
    bid_size: float = 0.0
    ask: float
    ask_size: float = 0.0
    t: Stamp


class TradeMessage(
    Message,
    frozen=True,
    gc=False,
    kw_only=True,
    tag="t",
    rename={
        "symbol": "S",
        "price": "p",
        "size": "s",
        "trade_id": "i",
        "conditions": "c",
        "tape": "z",
        "exchange": "x",
    },
):
    """A print. Crypto sends neither conditions nor tape."""

    symbol: str
    trade_id: int = 0
    exchange: str = ""
    price: float
    size: float
    conditions: tuple[str, ...] | None = None
    tape: str = ""
    t: Stamp


_BAR_KEYS = {
    "symbol": "S",
    "open": "o",
    "high": "h",
    "low": "l",
    "close": "c",
    "volume": "v",
    "trade_count": "n",
    "vwap": "vw",
}


class BarMessage(Message, frozen=True, gc=False, kw_only=True, tag="b", rename=_BAR_KEYS):
    """A minute bar, sent right after the minute; `t` is its start."""

    symbol: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    t: Stamp
    trade_count: int = 0
    vwap: float = 0.0


class UpdatedBarMessage(BarMessage, frozen=True, gc=False, kw_only=True, tag="u", rename=_BAR_KEYS):
    """The bar of the minute before, again, because a late trade changed it."""


class StatusMessage(
    Message,
    frozen=True,
    gc=False,
    kw_only=True,
    tag="s",
    rename={
        "symbol": "S",
        "status_code": "sc",
        "status": "sm",
        "reason_code": "rc",
        "reason": "rm",
    },
):
    """A trading status of the listing market."""

    symbol: str
    t: Stamp
    status_code: str = ""
    status: str = ""
    reason_code: str = ""
    reason: str = ""


class CorrectionMessage(
    Message,
    frozen=True,
    gc=False,
    kw_only=True,
    tag="c",
    rename={
        "symbol": "S",
        "original_id": "oi",
        "original_price": "op",
        "original_size": "os",
        "corrected_id": "ci",
        "corrected_price": "cp",
        "corrected_size": "cs",
        "corrected_conditions": "cc",
    },
):
    """A print was replaced by another."""

    symbol: str
    original_id: int
    original_price: float
    original_size: float
    corrected_id: int
    corrected_price: float
    corrected_size: float
    t: Stamp
    corrected_conditions: tuple[str, ...] | None = None


class CancelMessage(
    Message,
    frozen=True,
    gc=False,
    kw_only=True,
    tag="x",
    rename={"symbol": "S", "trade_id": "i", "price": "p", "size": "s"},
):
    """A print was cancelled or was an error."""

    symbol: str
    trade_id: int
    price: float
    size: float
    t: Stamp


class NewsMessage(Message, frozen=True, kw_only=True, tag="n"):
    """An article; its text is a stranger's and is cleaned before anyone keeps it."""

    id: int | str
    headline: str
    created_at: Stamp
    summary: str = ""
    source: str = ""
    symbols: tuple[str, ...] = ()


class SuccessMessage(Message, frozen=True, kw_only=True, tag="success"):
    """`connected`, then `authenticated`."""

    msg: str = ""


class ErrorMessage(Message, frozen=True, kw_only=True, tag="error"):
    """A refusal; see `feeds.alpaca.refusals` for what each code means to us."""

    code: int = 0
    msg: str = ""


class SubscriptionMessage(Message, frozen=True, kw_only=True, tag="subscription", rename="camel"):
    """Everything this connection is subscribed to now, after any (un)subscribe."""

    trades: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()
    bars: tuple[str, ...] = ()
    updated_bars: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    news: tuple[str, ...] = ()


class _Unused(Message, frozen=True, gc=False):
    """Base of kinds that the venue may send unasked and that say nothing to us."""


class DailyBarMessage(_Unused, frozen=True, gc=False, kw_only=True, tag="d"):
    """The running daily bar."""


class LuldMessage(_Unused, frozen=True, gc=False, kw_only=True, tag="l"):
    """Limit-up-limit-down price bands; a pause itself comes as a status."""


class ImbalanceMessage(_Unused, frozen=True, gc=False, kw_only=True, tag="i"):
    """An auction's order imbalance."""


class BookMessage(_Unused, frozen=True, gc=False, kw_only=True, tag="o"):
    """A crypto order book."""


Control = SuccessMessage | ErrorMessage | SubscriptionMessage
CONTROL = (SuccessMessage, ErrorMessage, SubscriptionMessage)
WireMessage = (
    QuoteMessage
    | TradeMessage
    | BarMessage
    | UpdatedBarMessage
    | StatusMessage
    | CorrectionMessage
    | CancelMessage
    | NewsMessage
    | SuccessMessage
    | ErrorMessage
    | SubscriptionMessage
    | DailyBarMessage
    | LuldMessage
    | ImbalanceMessage
    | BookMessage
)
KINDS = frozenset(
    {"q", "t", "b", "u", "s", "c", "x", "n", "d", "l", "i", "o"}
    | {"success", "error", "subscription"}
)


def stamp_ns(stamp: Stamp) -> int:
    """Return UTC nanoseconds; raises `ValueError` for what is no time."""
    data = bytes(stamp.data)
    if stamp.code != -1 or len(data) not in (4, 8, 12):
        raise ValueError(f"not a MessagePack timestamp: type {stamp.code}, {len(data)} bytes")
    if len(data) == 12:  # noqa: PLR2004 - the specification's timestamp 96
        nanoseconds = int.from_bytes(data[:4], "big")
        return int.from_bytes(data[4:], "big", signed=True) * NS_PER_S + nanoseconds
    value = int.from_bytes(data, "big")
    return (value >> 34) + (value & _SECONDS) * NS_PER_S


def to_stamp(ts_ns: int) -> Stamp:
    """Return MessagePack's timestamp 64 of a time between 1970 and 2514."""
    seconds, nanoseconds = divmod(ts_ns, NS_PER_S)
    return Ext(-1, (nanoseconds << 34 | seconds).to_bytes(8, "big"))


def text_stamp(text: str) -> Stamp:
    """Return the stamp of an RFC 3339 text; raises `ValueError` naming it."""
    if len(text) > 20 and text[19] == "." and text[-1] == "Z" and text[20:-1].isdecimal():  # noqa: PLR2004 - YYYY-MM-DDThh:mm:ss. is 20 long
        return to_stamp(_second_ns(text[:19]) + int(text[20:29].rstrip("Z").ljust(9, "0")))
    return to_stamp(parse_ns(text))


@lru_cache(maxsize=1024)
def _second_ns(text: str) -> int:
    return parse_ns(text + "Z")
