"""See one of Alpaca's streams: connect, subscribe, feed the sink, reconnect, fill the gap."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from msgspec.structs import replace
from websockets.exceptions import WebSocketException

from domain.errors import Disconnected, FeedError, FeedRefused
from domain.market import AssetClass, NewsItem, SessionPhase
from domain.ports import Calendar, Clock, MarketSink
from domain.records import NS_PER_S
from feeds.alpaca.config import AlpacaFeedConfig, Channel, FeedNotice, Report
from feeds.alpaca.connection import FrameConnection, OnFrame, open_connection
from feeds.alpaca.decoder import FrameDecoder
from feeds.alpaca.events import to_event
from feeds.alpaca.handshake import Handshake
from feeds.alpaca.refusals import error_of
from feeds.alpaca.waits import Waits
from feeds.alpaca.wire import CONTROL, WireMessage
from feeds.backfill import GapFiller, Lack
from feeds.gaps import Backfill
from feeds.historical import AlpacaHistory, HistoryConfig, Span

_MUTE_CHECKS = 4
_NEWS_NS = 86_400 * NS_PER_S
_NEWS_LATE_NS = 60 * NS_PER_S
_NEWS_ARTICLES = 50


@runtime_checkable
class FrameSink(MarketSink, Protocol):
    """A sink that takes decoded frames and back-fills as they are: the rolling store."""

    def apply_frame(self, messages: Sequence[WireMessage]) -> None:
        """Take one decoded frame, in order."""
        ...

    def seed(self, backfill: Backfill) -> None:
        """Take a symbol's history."""
        ...

    def seed_news(self, items: Iterable[NewsItem]) -> None:
        """Take articles of the past."""
        ...


class FrameRecorder(Protocol):
    """Take raw frames beside the decoder; never blocks."""

    def record(self, channel: str, frame: bytes, *, is_text: bool) -> None:
        """Take one raw frame as it came."""
        ...


def _say_nothing(_notice: FeedNotice) -> None:
    return None


class AlpacaFeed:
    """A `domain.ports.Feed` over one stream.

    `report` gets one line for whatever an operator should know; `calendar` says when silence is
    suspicious and which history counts; `recorder` sees raw frames.
    """

    def __init__(
        self,
        config: AlpacaFeedConfig,
        clock: Clock,
        *,
        report: Report = _say_nothing,
        calendar: Calendar | None = None,
        recorder: FrameRecorder | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._report = report
        self._calendar = calendar
        self._recorder = recorder
        self._decoder = FrameDecoder()
        self.frames = 0
        """Frames received since construction, control frames among them."""
        self._last_frame_ns: int | None = None
        self._gap_from_ns: int | None = None
        self._has_past = False
        self._is_mute = False
        self._last_code = ""
        self._history = self._new_history()

    @property
    def history(self) -> AlpacaHistory | None:
        """Return the venue's history of the same key: also the source of a latest quote."""
        return self._history

    def counts(self) -> Counter[str]:
        """Return what could not be read, by reason."""
        rejects = self._history.rejects if self._history else Counter[str]()
        return self._decoder.rejects + rejects

    async def aclose(self) -> None:
        """Give up the history's threads."""
        if self._history is not None:
            await self._history.aclose()

    async def run(self, sink: MarketSink) -> None:
        """Feed the sink until cancelled; raises `FeedRefused` for what an operator must mend.

        It may run again after it was cancelled: what came between is a gap like any other.
        """
        waits = Waits(self._config)
        self._lose(sink, "not connected yet")
        while True:
            try:
                await self._connect(sink, waits)
            except FeedRefused as error:
                self._lose(sink, error.line)
                raise
            except Disconnected as error:
                self._lose(sink, error.line)
                self._tell(FeedNotice(code=error.code, line=error.args[0], remedy=error.remedy))
                await asyncio.sleep(waits.after(error))

    async def _connect(self, sink: MarketSink, waits: Waits) -> None:
        """Live through one connection; ends by raising `FeedError`."""
        handshake = Handshake(self._config, self._tell)
        connection = await open_connection(self._config, self._taker(sink, handshake))
        opened_s = _loop_s()
        try:
            await handshake.authenticate(connection)
            is_news = self._config.channel is Channel.NEWS
            subscribe = handshake.subscribe_news if is_news else handshake.subscribe
            served = await subscribe(connection)
            async with asyncio.TaskGroup() as group:
                tasks = (
                    group.create_task(self._go_up(sink, served), name="back-fill"),
                    group.create_task(self._watch(connection), name="mute-watch"),
                )
                await connection.wait_closed()
                for task in tasks:
                    task.cancel()
            raise self._why_closed(connection, handshake)
        finally:
            waits.lived(_loop_s() - opened_s)
            connection.transport.abort()

    def _taker(self, sink: MarketSink, handshake: Handshake) -> OnFrame:
        """Return what takes each frame; everything it touches is bound once."""
        decode, decode_text = self._decoder.decode, self._decoder.decode_text
        apply = sink.apply_frame if isinstance(sink, FrameSink) else self._applier(sink)
        recorder, channel = self._recorder, self._config.channel.value
        now_ns = self._clock.now_ns

        def take(data: bytes | bytearray, is_text: bool) -> None:  # noqa: FBT001 - `OnFrame`
            self.frames += 1
            self._last_frame_ns = now_ns()
            if recorder is not None:
                recorder.record(channel, bytes(data), is_text=is_text)
            messages = decode_text(data) if is_text else decode(data)
            if messages and isinstance(messages[0], CONTROL):
                handshake.put(messages[0])
            else:
                apply(messages)

        return take

    def _applier(self, sink: MarketSink) -> Callable[[Sequence[WireMessage]], None]:
        """Return how a sink that knows only records takes a frame."""

        def apply(messages: Sequence[WireMessage]) -> None:
            now_ns = self._clock.now_ns()
            events = []
            for message in messages:
                try:
                    event = to_event(message, now_ns)
                except ValueError:
                    self._decoder.rejects["time_invalid"] += 1
                    continue
                if event is not None:
                    events.append(event)
            sink.apply(events)

        return apply

    async def _go_up(self, sink: MarketSink, served: tuple[str, ...]) -> None:
        """Fill the gap, then call the symbols fresh; what cannot be filled stays stale."""
        await asyncio.sleep(self._config.settle_s)
        if isinstance(sink, FrameSink) and not await self._is_filled(sink, served):
            return
        self._has_past, self._gap_from_ns = True, None
        if self._config.channel is not Channel.NEWS and served:
            sink.link_restored(served)
        self._tell(FeedNotice(code="FEED_UP", line=f"The {self._config.name} stream is up."))

    async def _is_filled(self, sink: FrameSink, served: tuple[str, ...]) -> bool:
        """Fill the gap, again and again while the venue fails; False when it refuses."""
        history = self._history
        if history is None or not served:
            return True
        waits = Waits(self._config)
        while True:
            try:
                await self._fill(sink, served, history)
            except FeedError as error:
                self._tell(FeedNotice(code=error.code, line=error.args[0], remedy=error.remedy))
                if isinstance(error, FeedRefused):
                    return False
                await asyncio.sleep(waits.after(error))
            else:
                return True

    async def _fill(self, sink: FrameSink, served: tuple[str, ...], history: AlpacaHistory) -> None:
        cut_ns = self._gap_from_ns if self._has_past else None
        if self._config.channel is not Channel.NEWS:
            lack = Lack(self._config.interval_s, self._config.history_bars)
            filler = GapFiller(history, lack, clock=self._clock, calendar=self._calendar)
            for backfill in await filler.fetch(served, cut_ns):
                sink.seed(backfill)
            return
        start_ns = self._clock.now_ns() - _NEWS_NS if cut_ns is None else cut_ns - _NEWS_LATE_NS
        span = Span(start_ns=start_ns, limit=_NEWS_ARTICLES, is_newest_first=True)
        articles = await history.news(served, span)
        if cut_ns is None:
            sink.seed_news(articles)
        else:
            sink.apply(articles)

    async def _watch(self, connection: FrameConnection) -> None:
        """Cut a connection that is open and says nothing while its market trades."""
        if self._config.channel is Channel.NEWS:
            return
        seen, n_quiet = self.frames, 0
        while n_quiet < _MUTE_CHECKS:
            await asyncio.sleep(self._config.mute_s / _MUTE_CHECKS)
            is_quiet = seen == self.frames and self._is_market_open()
            seen, n_quiet = self.frames, n_quiet + 1 if is_quiet else 0
        self._is_mute = True
        connection.transport.abort()

    def _is_market_open(self) -> bool:
        if self._calendar is None or self._config.channel is Channel.CRYPTO:
            return True
        phase = self._calendar.phase(AssetClass.STOCK, self._clock.now_ns())
        return phase is not SessionPhase.CLOSED

    def _lose(self, sink: MarketSink, reason: str) -> None:
        if self._has_past and self._gap_from_ns is None:
            self._gap_from_ns = self._last_frame_ns
        if self._config.channel is not Channel.NEWS:
            sink.link_lost(self._config.symbols, reason)

    def _why_closed(self, connection: FrameConnection, handshake: Handshake) -> Exception:
        """Return why the connection ended; a failure of our own is raised as it is."""
        name = self._config.name
        if self._is_mute:
            self._is_mute = False
            return Disconnected(
                f"The {name} stream said nothing for {self._config.mute_s:g} s and was cut.",
                code="FEED_MUTE",
            )
        if handshake.last_error is not None:
            return error_of(handshake.last_error, self._config)
        cause = connection.connection_exc
        if isinstance(cause, Exception) and not isinstance(cause, (OSError, WebSocketException)):
            return cause
        return Disconnected(f"The {name} stream was closed: {connection.protocol.close_exc}.")

    def _tell(self, notice: FeedNotice) -> None:
        """Report a line once while it stays true."""
        if notice.code != self._last_code:
            self._last_code = notice.code
            self._report(replace(notice, channel=self._config.channel.value))

    def _new_history(self) -> AlpacaHistory | None:
        config = self._config
        if config.data_url == "":
            return None
        history = HistoryConfig(
            key=config.key, secret=config.secret, url=config.data_url, feed=config.feed
        )
        return AlpacaHistory(history, self._clock)


def _loop_s() -> float:
    return asyncio.get_running_loop().time()
