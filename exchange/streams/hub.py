"""Publish to all links: a message is encoded once a codec, a frame once a subscription."""

from collections.abc import Callable
from typing import NamedTuple

from websockets.asyncio.server import ServerConnection

from exchange.clock import VenueClock
from exchange.market.ladder import Ladder, full_book
from exchange.market.records import Depth, MarketMessage, TopOfBook
from exchange.streams.codec import Codec
from exchange.streams.endpoints import Endpoint, Stream, StreamLimits
from exchange.streams.faults import Frame, StreamFaults
from exchange.streams.keys import TOKEN_KEYS
from exchange.streams.link import Link
from exchange.streams.messages import told, told_with_receipt
from exchange.streams.record import FrameLog, FrameRecord
from exchange.streams.subscriptions import STAR, Matcher, Subscription
from exchange.venue import Venue

LastQuote = Callable[[str], TopOfBook | None]


class _Cohort(NamedTuple):
    """Links of one codec that want the same of one stream."""

    codec: Codec
    matcher: Matcher
    links: list[Link]


class Hub:
    """Hold the links of all endpoints and give them what they subscribed to.

    `last_quotes` answers with the newest published quote of a pair: what an order book's
    subscriber gets in full first.
    """

    def __init__(
        self,
        venue: Venue,
        *,
        limits: StreamLimits,
        faults: StreamFaults,
        frames: FrameLog,
        last_quote: LastQuote,
    ) -> None:
        self.limits = limits
        self.faults = faults
        self.frames = frames
        self._venue = venue
        self._last_quote = last_quote
        self._links: set[Link] = set()
        self._admitted: dict[str, set[Link]] = {}
        self._cohorts: dict[Stream, list[_Cohort]] = {}
        self._ladders: dict[str, Ladder] = {}
        self._connected = 0

    @property
    def clock(self) -> VenueClock:
        """Return the venue's clock."""
        return self._venue.clock

    async def serve(self, connection: ServerConnection, endpoint: Endpoint) -> None:
        """Serve one client of an endpoint until it leaves."""
        self._connected += 1
        link = Link(self, connection, endpoint, number=self._connected)
        self._links.add(link)
        try:
            await link.serve()
        finally:
            self._links.discard(link)
            self._admitted.get(endpoint.name, set()).discard(link)
            self._regroup()

    def wants(self, channel: str) -> bool:
        """Tell whether any link is subscribed to a channel."""
        return any(c == channel for link in self._links for c, _ in link.subscription.symbols)

    def listens(self, stream: Stream) -> bool:
        """Tell whether any link is subscribed to something of a stream."""
        return stream in self._cohorts

    def publish(self, stream: Stream, messages: list[MarketMessage]) -> None:
        """Send each link of a stream what it wants of these messages, in order."""
        messages = self.faults.before_publish(stream, messages)
        if stream is Stream.CRYPTO and self._ladders:
            messages = self._with_books(messages)
        encoded: dict[tuple[str, int], bytes] = {}
        for cohort in self._cohorts.get(stream, ()):
            parts = [
                self._encoded(encoded, cohort.codec, message)
                for message in messages
                if cohort.matcher.wants(message)
            ]
            for frame in self._framed(parts, cohort.codec):
                for link in cohort.links:
                    link.offer(frame)

    def knows(self, key: str, secret: str) -> bool:
        """Tell whether these are the account's keys, or a token that is its secret."""
        known = self._venue.credentials.key
        return self._venue.knows(known if key in TOKEN_KEYS else key, secret)

    def admit(self, link: Link) -> bool:
        """Take one of the endpoint's connections for this link; False when none is left."""
        admitted = self._admitted.setdefault(link.endpoint.name, set())
        if len(admitted) >= self.limits.connections:
            return False
        admitted.add(link)
        return True

    def resubscribe(self, link: Link, before: Subscription) -> None:
        """Regroup the links, and send whole order books to whom they are new."""
        self._regroup()
        new = link.subscription.symbols - before.symbols
        pairs = {symbol for channel, symbol in new if channel == "orderbooks"}
        if STAR in pairs:
            pairs = {symbol for symbol in self._venue.instruments if "/" in symbol}
        for symbol in sorted(pairs):
            self._send_book(link, symbol)

    def log(self, link: Link, way: str, data: bytes) -> None:
        """Keep a frame for the record."""
        record = FrameRecord(
            self.clock.now_ns(),
            link.info.number,
            link.info.endpoint,
            "in" if way == "in" else "out",
            data,
        )
        self.frames.add(record)

    def _send_book(self, link: Link, symbol: str) -> None:
        quote = self._last_quote(symbol)
        if quote is None:
            return
        if symbol not in self._ladders:
            self._ladders[symbol] = Ladder()
            self._ladders[symbol].follow(quote)
        message = link.codec.encode(told(full_book(quote), link.codec.stamp))
        link.offer(Frame(link.codec.frame([message]), link.codec.is_text, 1))

    def _with_books(self, messages: list[MarketMessage]) -> list[MarketMessage]:
        """Put after each quote what it changes in the pair's order book."""
        found: list[MarketMessage] = []
        for message in messages:
            found.append(message)
            if isinstance(message, TopOfBook) and (ladder := self._ladders.get(message.symbol)):
                depth: Depth | None = ladder.follow(message)
                found.extend([depth] if depth else [])
        return found

    def _encoded(
        self, kept: dict[tuple[str, int], bytes], codec: Codec, message: MarketMessage
    ) -> bytes:
        """Encode a message, or return what another cohort of this codec had encoded."""
        key = (codec.name, id(message))
        if key not in kept:
            write = told_with_receipt if self.limits.received_key else told
            kept[key] = codec.encode(write(message, codec.stamp))
        return kept[key]

    def _framed(self, parts: list[bytes], codec: Codec) -> list[Frame]:
        size = self.limits.messages_per_frame
        chunks = (parts[at : at + size] for at in range(0, len(parts), size))
        return [Frame(codec.frame(chunk), codec.is_text, len(chunk)) for chunk in chunks]

    def _regroup(self) -> None:
        """Put links that want the same into one cohort."""
        groups: dict[tuple[Stream, str, Subscription], _Cohort] = {}
        for link in sorted(self._links, key=lambda link: link.info.number):
            wanted = link.subscription
            if wanted.symbols:
                key = (link.endpoint.stream, link.codec.name, wanted)
                if key not in groups:
                    groups[key] = _Cohort(link.codec, Matcher(wanted), [])
                groups[key].links.append(link)
        self._cohorts = {}
        for (stream, _, _), cohort in groups.items():
            self._cohorts.setdefault(stream, []).append(cohort)
