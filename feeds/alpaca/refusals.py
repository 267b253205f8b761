"""Say what each of the venue's refusals means to us, and to the person who must act.

Source of the codes: Alpaca, "WebSocket stream", table of errors; 429 in place of 101 is what an
account gets that reconnects too often.
"""

from __future__ import annotations

from http import HTTPStatus

from websockets.exceptions import InvalidStatus

from domain.errors import Disconnected, FeedError, FeedRefused
from domain.records import Record
from feeds.alpaca.config import AlpacaFeedConfig, FeedNotice
from feeds.alpaca.wire import ErrorMessage

SYNTAX, NOT_AUTHENTICATED, AUTH_FAILED, ALREADY_AUTHENTICATED, AUTH_TIMEOUT = range(400, 405)
SYMBOL_LIMIT, CONNECTION_LIMIT, SLOW_CLIENT, NOT_ENABLED, NOT_IN_PLAN = range(405, 410)
INVALID_ACTION, INSUFFICIENT_SCOPE = 410, 411
INTERNAL = 500


class Refusal(Record, frozen=True):
    """What a refusal means; `{name}` in its texts is the stream's name. Final ones end the feed."""

    code: str
    line: str
    remedy: str
    is_final: bool = False


REFUSALS: dict[int, Refusal] = {
    SYNTAX: Refusal(
        code="FEED_SYNTAX",
        line="The {name} stream does not understand our request.",
        remedy="Check TRADING_SYMBOLS: stocks like AAPL, crypto like BTC/USD.",
        is_final=True,
    ),
    AUTH_FAILED: Refusal(
        code="FEED_AUTH_FAILED",
        line="The venue refused the key for the {name} stream.",
        remedy="Check APCA_API_KEY_ID and APCA_API_SECRET_KEY.",
        is_final=True,
    ),
    SYMBOL_LIMIT: Refusal(
        code="FEED_SYMBOL_LIMIT",
        line="The plan of this key allows fewer symbols on the {name} stream.",
        remedy="Trade fewer symbols, or choose another data plan.",
    ),
    CONNECTION_LIMIT: Refusal(
        code="FEED_CONNECTION_LIMIT",
        line="Another program uses this key's one connection to the {name} stream.",
        remedy="Stop the other program; we try again meanwhile.",
    ),
    SLOW_CLIENT: Refusal(
        code="FEED_SLOW_CLIENT",
        line="The venue cut the {name} stream because we read too slowly.",
        remedy="Trade fewer symbols, or give this machine more processor.",
    ),
    NOT_IN_PLAN: Refusal(
        code="FEED_NOT_IN_PLAN",
        line="The plan of this key has no {name} stream.",
        remedy="Choose the iex feed, or another data plan.",
        is_final=True,
    ),
    INVALID_ACTION: Refusal(
        code="FEED_INVALID_ACTION",
        line="The {name} stream has no such channel.",
        remedy="Choose another feed.",
        is_final=True,
    ),
    INSUFFICIENT_SCOPE: Refusal(
        code="FEED_INSUFFICIENT_SCOPE",
        line="The token has no right to the {name} stream.",
        remedy="Use a key pair, or a token with the right scope.",
        is_final=True,
    ),
    HTTPStatus.TOO_MANY_REQUESTS: Refusal(
        code="FEED_RATE_LIMITED",
        line="The venue lets this account connect no more for now ({name} stream).",
        remedy="Stop other programs that use this key; we wait and try again.",
    ),
    INTERNAL: Refusal(
        code="FEED_VENUE_ERROR",
        line="The venue's {name} stream has an internal error.",
        remedy="Nothing to do: we connect again.",
    ),
}


def notice_of(code: int, config: AlpacaFeedConfig, text: str = "") -> FeedNotice:
    """Return the operator's line for a code; one we do not know is shown as it came."""
    known = REFUSALS.get(code)
    if known is None:
        line = f"The {config.name} stream answered error {code} ({text[:100]})."
        return FeedNotice(code=f"FEED_ERROR_{code}", line=line, channel=config.channel)
    line = known.line.format(name=config.name)
    return FeedNotice(code=known.code, line=line, remedy=known.remedy, channel=config.channel)


def error_of(message: ErrorMessage, config: AlpacaFeedConfig) -> FeedError:
    """Return what to raise for an error frame: final refusals end the feed, others the link."""
    notice = notice_of(message.code, config, message.msg)
    known = REFUSALS.get(message.code)
    kind = FeedRefused if known is not None and known.is_final else Disconnected
    return kind(notice.line, remedy=notice.remedy, code=notice.code)


class RateLimitedUpgrade(Disconnected):
    """The venue answered the opening handshake with 429: wait long, `retry_after_s` at least."""

    code = "FEED_RATE_LIMITED"

    def __init__(self, message: str, *, remedy: str, retry_after_s: float) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after_s = retry_after_s


def error_of_upgrade(error: InvalidStatus, config: AlpacaFeedConfig) -> FeedError:
    """Return what an HTTP answer in place of 101 means."""
    status = error.response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        notice = notice_of(status, config)
        asked = error.response.headers.get("Retry-After", "")
        retry_after_s = float(asked) if asked.isdecimal() else 0.0
        return RateLimitedUpgrade(notice.line, remedy=notice.remedy, retry_after_s=retry_after_s)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return error_of(ErrorMessage(code=AUTH_FAILED), config)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return FeedRefused(
            f"{config.url} is no stream of the venue (HTTP {status}).",
            remedy="Check the stream's address and the feed's name.",
        )
    return Disconnected(f"The {config.name} stream answered HTTP {status}.")
