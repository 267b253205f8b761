"""Hold what one connection listens to: add, take away, acknowledge, match."""

import re
from dataclasses import dataclass, field
from typing import Any

from exchange.market.records import Article, MarketMessage
from exchange.streams.endpoints import ALL_CHANNELS, FOLLOW_TRADES, Endpoint
from exchange.streams.errors import INVALID_ACTION, INVALID_SYNTAX, SYMBOL_LIMIT, StreamError
from exchange.streams.messages import channel_of

STAR = "*"

_STOCK = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,15}\Z")
_PAIR = re.compile(r"[A-Z0-9]{1,12}/[A-Z0-9]{1,6}\Z")
_NEWS = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,19}\Z")

Request = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """Symbols by channel, immutable, so that equal ones can share their frames."""

    endpoint: Endpoint
    symbols: frozenset[tuple[str, str]] = frozenset()
    order: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def added(self, request: Request, *, limit: int | None) -> "Subscription":
        """Return this and more; raises `StreamError` (405) past the plan's limit of symbols."""
        pairs = [(channel, symbol) for channel, names in request.items() for symbol in names]
        order = tuple(dict.fromkeys([*self.order, *pairs]))
        if limit is not None and sum(c in self.endpoint.limited for c, _ in order) > limit:
            raise StreamError(SYMBOL_LIMIT)
        return Subscription(self.endpoint, frozenset(order), order)

    def removed(self, request: Request) -> "Subscription":
        """Return this without what is named."""
        gone = {(channel, symbol) for channel, names in request.items() for symbol in names}
        order = tuple(pair for pair in self.order if pair not in gone)
        return Subscription(self.endpoint, frozenset(order), order)

    def acknowledgement(self) -> dict[str, Any]:
        """Write the answer to every request: the complete subscription."""
        channels = {channel: self.names(channel) for channel in self.endpoint.channels}
        channels |= {c: names for c in self.endpoint.optional if (names := self.names(c))}
        if self.endpoint.follow_trades:
            channels |= {channel: self.names("trades") for channel in FOLLOW_TRADES}
        return {"T": "subscription", **channels}

    def names(self, channel: str) -> list[str]:
        """Return the symbols of a channel in the order they were asked for."""
        return [symbol for c, symbol in self.order if c == channel]


class Matcher:
    """Tell quickly which messages a subscription gets."""

    def __init__(self, subscription: Subscription) -> None:
        wanted: dict[str, set[str]] = {}
        for channel, symbol in subscription.symbols:
            wanted.setdefault(channel, set()).add(symbol)
        if subscription.endpoint.follow_trades and "trades" in wanted:
            wanted |= dict.fromkeys(FOLLOW_TRADES, wanted["trades"])
        if "news" in wanted:
            wanted["news"] = {symbol.replace("/", "") for symbol in wanted["news"]}
        self._wanted = wanted
        self._all = {channel for channel, names in wanted.items() if STAR in names}

    def wants(self, message: MarketMessage) -> bool:
        """Tell whether the message is subscribed to."""
        channel = channel_of(message)
        names = self._wanted.get(channel)
        if names is None:
            return False
        if channel in self._all:
            return True
        if isinstance(message, Article):
            return not names.isdisjoint(message.symbols)
        return message.symbol in names


def read_channels(message: dict[str, Any], endpoint: Endpoint) -> Request:
    """Read the channels of a (un)subscribe message; raises `StreamError` 400 or 410."""
    request: Request = {}
    for channel, names in message.items():
        if channel == "action" or channel in FOLLOW_TRADES:
            continue
        if channel not in ALL_CHANNELS:
            raise StreamError(INVALID_SYNTAX)
        if channel not in (*endpoint.channels, *endpoint.optional):
            raise StreamError(INVALID_ACTION)
        if not isinstance(names, list) or not all(_is_symbol(name, endpoint) for name in names):
            raise StreamError(INVALID_SYNTAX)
        request[channel] = names
    if not request:
        raise StreamError(INVALID_SYNTAX)
    return request


def _is_symbol(name: Any, endpoint: Endpoint) -> bool:
    if not isinstance(name, str):
        return False
    pattern = _PAIR if endpoint.is_crypto else _NEWS if "news" in endpoint.channels else _STOCK
    return name == STAR or pattern.match(name) is not None
