"""Say which stream to read, where, with what key, and how patient to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from domain.records import Record

STREAM_URL = "wss://stream.data.alpaca.markets"


class Channel(StrEnum):
    """Which of the venue's market-data streams; a tape names its lines so."""

    STOCKS = "stocks"
    CRYPTO = "crypto"
    NEWS = "news"


class Codec(StrEnum):
    """How frames are written; the opening handshake asks for one."""

    MSGPACK = "msgpack"
    JSON = "json"


class FeedNotice(Record, frozen=True):
    """One line for the operator: a stable code, what happened, what to do."""

    code: str
    line: str
    remedy: str = ""
    channel: str = ""


Report = Callable[[FeedNotice], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlpacaFeedConfig:
    """One connection to one stream. The secret never prints. Times are wall seconds.

    `data_url` none means Alpaca's own data host, an empty one that there is no history to fill gaps
    from. `feed` is `iex`, `sip` or `test` for stocks (a delayed one would come too late for every
    candle), and the venue (`us`) for crypto. `mute_s`: an open connection that says nothing for so
    long in trading hours is cut.
    """

    channel: Channel
    symbols: tuple[str, ...]
    key: str
    secret: str = field(repr=False)
    stream_url: str = STREAM_URL
    data_url: str | None = None
    feed: str = "iex"
    codec: Codec = Codec.MSGPACK
    interval_s: int = 60
    history_bars: int = 250
    compress: bool = False
    max_frame_bytes: int = 8 * 1024 * 1024
    mute_s: float = 60.0
    reply_timeout_s: float = 10.0
    ping_s: float = 10.0
    settle_s: float = 1.0
    retry_first_s: float = 0.5
    retry_most_s: float = 30.0
    rate_limited_s: float = 60.0
    auth_retry_s: float = 2.0
    auth_attempts: int = 15

    @property
    def url(self) -> str:
        """Return the stream's address."""
        base = self.stream_url.rstrip("/")
        match self.channel:
            case Channel.STOCKS:
                return f"{base}/v2/{self.feed}"
            case Channel.CRYPTO:
                place = self.feed if self.feed not in {"iex", "sip", "test"} else "us"
                return f"{base}/v1beta3/crypto/{place}"
            case Channel.NEWS:
                return f"{base}/v1beta1/news"

    @property
    def name(self) -> str:
        """Return what a person calls this stream."""
        return f"{self.feed} stock" if self.channel is Channel.STOCKS else self.channel.value
