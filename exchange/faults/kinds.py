"""Name everything that the exchange can get wrong, where it strikes, and for how long.

Sources: what Alpaca's documentation says about errors, and what users of its paper API have
recorded (the project's protocol notes, sections 1.4, 3.5 and 4.3).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Seam(StrEnum):
    """Where in the exchange a fault strikes, which is also what it can be aimed by."""

    HANDSHAKE = "handshake"
    ACTION = "action"
    FRAME = "frame"
    MARKET = "market"
    REQUEST = "request"
    ANSWER = "answer"
    VIEW = "view"
    EVENT = "event"


class FaultKind(StrEnum):
    """Every fault. `what` is for people, `seconds` its length unless a fault says otherwise.

    A `scope` is the method and the path, as a pattern, of the only requests that it can strike.
    """

    seams: tuple[Seam, ...]
    what: str
    seconds: float
    scope: tuple[str, str]

    def __new__(
        cls,
        value: str,
        seams: Seam | tuple[Seam, ...],
        what: str,
        seconds: float = 0.0,
        scope: tuple[str, str] = ("*", "*"),
    ) -> Self:
        """Make a member that carries what the table says of it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.seams = seams if isinstance(seams, tuple) else (seams,)
        member.what = what
        member.seconds = seconds
        member.scope = scope
        return member

    # fmt: off
    LINK_CLOSED = "link_closed", Seam.FRAME, "closes the stream with 1001"
    LINK_CLOSED_1011 = "link_closed_1011", Seam.FRAME, "closes the stream with 1011"
    LINK_ABORTED = "link_aborted", Seam.FRAME, "cuts the stream's TCP connection"
    LINK_MUTE = "link_mute", Seam.FRAME, "says nothing for so long, connected", 5.0
    LINK_SLOW = "link_slow", Seam.FRAME, "holds every frame up for so long", 0.2
    LINK_FROZEN = "link_frozen", Seam.FRAME, "reads nothing for so long: no pong comes", 5.0
    FRAME_LOST = "frame_lost", Seam.FRAME, "loses a frame"
    FRAME_TWICE = "frame_twice", Seam.FRAME, "sends a frame twice"
    FRAME_GARBLED = "frame_garbled", Seam.FRAME, "sends half a frame"
    STREAM_402 = "stream_402", Seam.ACTION, "answers keys with 402 auth failed"
    STREAM_404 = "stream_404", Seam.ACTION, "answers keys with 404 auth timeout and closes"
    STREAM_405 = "stream_405", Seam.ACTION, "answers a subscription with 405 symbol limit exceeded"
    STREAM_406 = "stream_406", Seam.ACTION, "answers keys with 406 connection limit exceeded"
    STREAM_407 = "stream_407", Seam.FRAME, "says 407 slow client and closes"
    STREAM_409 = "stream_409", Seam.ACTION, "answers keys with 409 insufficient subscription"
    STREAM_500 = "stream_500", Seam.ACTION, "answers a client's message with 500 internal error"
    HANDSHAKE_429 = "handshake_429", Seam.HANDSHAKE, "answers the upgrade with HTTP 429"
    EVENT_TWICE = "event_twice", Seam.EVENT, "sends an order event twice"
    EVENT_LOST = "event_lost", Seam.EVENT, "loses an order event"
    EVENT_LATE = "event_late", Seam.EVENT, "sends an order event so much later", 1.0
    EVENTS_SWAPPED = "events_swapped", Seam.EVENT, (
        "sends an order event after the symbol's next one, or so much later"), 1.0
    EVENT_UNKNOWN = "event_unknown", Seam.EVENT, "gives an order event words that nobody knows"
    EVENT_FIRST = "event_first", Seam.ANSWER, (
        "sends an order's events so long before its POST's answer"), 0.3, ("POST", "/v2/orders")
    REQUEST_RESET = "request_reset", Seam.REQUEST, "loses a request: the connection is reset"
    REQUEST_HANGS = "request_hangs", Seam.REQUEST, "loses a request: silence, then a reset", 30.0
    REQUEST_SLOW = "request_slow", Seam.REQUEST, "takes so long before it acts", 1.0
    REQUEST_429 = "request_429", Seam.REQUEST, "refuses with 429 and asks to wait so long", 1.0
    REQUEST_500 = "request_500", Seam.REQUEST, "answers 500 and does nothing"
    REQUEST_HTML = "request_html", Seam.REQUEST, "answers 502 with a page of HTML, does nothing"
    ANSWER_504 = "answer_504", Seam.ANSWER, "acts, and answers 504"
    ANSWER_500 = "answer_500", Seam.ANSWER, "acts, and answers 500 with a page of HTML"
    ANSWER_RESET = "answer_reset", Seam.ANSWER, "acts, and resets the connection"
    ANSWER_HANGS = "answer_hangs", Seam.ANSWER, "acts, then silence, then a reset", 30.0
    LOOKUP_LATE = "lookup_late", Seam.ANSWER, (
        "does not find an order by its client id for so long"), 2.0, ("POST", "/v2/orders")
    UNKNOWN_ENUM = "unknown_enum", Seam.VIEW, "gives a state or an exchange that nobody knows"
    NO_EASY_TO_BORROW = "no_easy_to_borrow", Seam.VIEW, (
        "leaves out easy_to_borrow"), 0.0, ("GET", "/v2/assets*")
    PDT_FIELDS = "pdt_fields", Seam.VIEW, (
        "adds the pattern day trader's fields"), 0.0, ("GET", "/v2/account")
    POSITION_GONE = "position_gone", Seam.VIEW, (
        "forgets a position"), 0.0, ("GET", "/v2/positions*")
    ZERO_BASIS = "zero_basis", Seam.VIEW, (
        "tells a position's entry price and cost as 0"), 0.0, ("GET", "/v2/positions*")
    SYMBOL_SPELLING = "symbol_spelling", (Seam.VIEW, Seam.EVENT), (
        "spells a pair's symbol the other way: BTCUSD for BTC/USD")
    CLOCK_SKEW = "clock_skew", (Seam.VIEW, Seam.MARKET), (
        "is so far ahead in clock, quotes and prints; behind, below 0"), 5.0, ("GET", "/v2/clock")
    LATE_TRADE = "late_trade", Seam.MARKET, "prints late into a minute: after its bar, with a u bar"
    CORRECTION = "correction", Seam.MARKET, "corrects a print"
    TRADE_CANCELED = "trade_canceled", Seam.MARKET, "takes a print back"
    HALT = "halt", Seam.MARKET, "halts a symbol for so long", 5.0
    CROSSED_QUOTE = "crossed_quote", Seam.MARKET, "quotes a bid above the ask"
    ZERO_QUOTE = "zero_quote", Seam.MARKET, "quotes no bid and no ask"
    # fmt: on
