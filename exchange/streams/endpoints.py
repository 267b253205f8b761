"""Name the market data streams: paths, channels, and what a plan allows on them."""

from dataclasses import dataclass
from enum import StrEnum


class Stream(StrEnum):
    """One flow of messages; endpoints of the same flow tell the same."""

    STOCKS = "stocks"
    DELAYED = "delayed"
    CRYPTO = "crypto"
    NEWS = "news"
    TEST = "test"


# Subscribing trades brings these two along; clients do not ask for them.
FOLLOW_TRADES = ("corrections", "cancelErrors")

_STOCK_CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds")
_CRYPTO_CHANNELS = ("trades", "quotes", "orderbooks", "bars", "updatedBars", "dailyBars")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One websocket path. Connections are limited by `name`, so an alias shares the limit.

    `channels` are always acknowledged, `optional` ones only when used; `limited` ones count
    against the plan's symbol limit.
    """

    name: str
    stream: Stream
    channels: tuple[str, ...]
    optional: tuple[str, ...] = ()
    follow_trades: bool = False
    limited: tuple[str, ...] = ()

    @property
    def is_crypto(self) -> bool:
        """Tell whether its symbols are crypto pairs."""
        return self.stream is Stream.CRYPTO


def _stocks(feed: str, stream: Stream = Stream.STOCKS) -> Endpoint:
    return Endpoint(
        name=feed,
        stream=stream,
        channels=_STOCK_CHANNELS,
        optional=("imbalances",),
        follow_trades=True,
        limited=("trades", "quotes"),
    )


_CRYPTO = Endpoint(
    name="crypto/us",
    stream=Stream.CRYPTO,
    channels=_CRYPTO_CHANNELS,
    limited=("trades", "quotes"),
)

ENDPOINTS = {
    "/v2/iex": _stocks("iex"),
    "/v2/sip": _stocks("sip"),
    "/v2/delayed_sip": _stocks("delayed_sip", Stream.DELAYED),
    "/v2/test": Endpoint(name="test", stream=Stream.TEST, channels=("trades", "quotes", "bars")),
    "/v1beta3/crypto/us": _CRYPTO,
    "/v1beta2/crypto": _CRYPTO,
    "/v1beta1/news": Endpoint(name="news", stream=Stream.NEWS, channels=("news",)),
}

ORDER_STREAM = "/stream"
"""The path of order events, which are no market data: it has no endpoint here, but a name."""

ORDER_EVENTS = "trade_updates"


def name_of(path: str) -> str:
    """Return the name of a websocket path, by which its connections are counted and recorded."""
    return ORDER_EVENTS if path == ORDER_STREAM else ENDPOINTS[path].name


ALL_CHANNELS = frozenset(
    channel
    for endpoint in ENDPOINTS.values()
    for channel in (*endpoint.channels, *endpoint.optional)
) | frozenset(FOLLOW_TRADES)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """Set the streams' limits; the defaults are the free plan's, on every feed.

    `symbols` bounds trades and quotes together on a connection, None is without bound (whether
    `*` counts is unverified; here it counts as one). `connections` is per endpoint. A client with
    more than `outbox_messages` waiting is cut off with code 407. `feeds` are the endpoints that
    the plan has, None is all of them. `received_key` adds the undocumented key `r` (when the venue
    received it) to trades and quotes, as official clients have seen it.
    """

    symbols: int | None = 30
    connections: int = 1
    messages_per_frame: int = 100
    outbox_messages: int = 20_000
    auth_timeout_s: float = 10.0
    feeds: frozenset[str] | None = None
    compression: bool = True
    received_key: bool = False

    def allows(self, feed: str) -> bool:
        """Tell whether the plan has a feed."""
        return self.feeds is None or feed in self.feeds
