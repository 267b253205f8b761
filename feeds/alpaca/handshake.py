"""Authenticate and subscribe on an open connection, one question and one answer at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from domain.errors import Disconnected
from feeds.alpaca.config import AlpacaFeedConfig, Channel, Codec, FeedNotice, Report
from feeds.alpaca.connection import FrameConnection, send
from feeds.alpaca.refusals import (
    ALREADY_AUTHENTICATED,
    CONNECTION_LIMIT,
    SYMBOL_LIMIT,
    error_of,
    notice_of,
)
from feeds.alpaca.wire import Control, ErrorMessage, SubscriptionMessage, SuccessMessage

_WAITING = 64
_LIMITED = ("trades", "quotes")
_UNLIMITED = {
    "test": ("bars",),
    Channel.STOCKS: ("bars", "updatedBars", "statuses"),
    Channel.CRYPTO: ("bars", "updatedBars"),
}


class Handshake:
    """The control side of one connection: what we ask, and the venue's answers in order."""

    def __init__(self, config: AlpacaFeedConfig, report: Report) -> None:
        self._config = config
        self._report = report
        self._answers: asyncio.Queue[Control] = asyncio.Queue(_WAITING)
        self.is_live = False
        self.last_error: ErrorMessage | None = None
        encoder = msgspec.json.encode if config.codec is Codec.JSON else msgspec.msgpack.encode
        self._encode = encoder

    def put(self, message: Control) -> None:
        """Take a control message. The queue is bounded: of a flood the newest are lost.

        Once the stream runs nobody waits any more, and an error is shown as it comes.
        """
        if self.is_live and isinstance(message, ErrorMessage):
            self.last_error = message
            self._report(notice_of(message.code, self._config, message.msg))
        elif not self._answers.full():
            self._answers.put_nowait(message)

    async def authenticate(self, connection: FrameConnection) -> None:
        """Show the key until it is taken; raises `FeedRefused` or `Disconnected`.

        While another connection holds the key's place (406), the same socket asks again.
        """
        config = self._config
        await self._expect(connection, SuccessMessage)
        for attempt in range(config.auth_attempts):
            await self._ask(connection, action="auth", key=config.key, secret=config.secret)
            answer = await self._answer(connection)
            if not isinstance(answer, ErrorMessage) or answer.code == ALREADY_AUTHENTICATED:
                return
            if answer.code != CONNECTION_LIMIT:
                raise error_of(answer, config)
            if attempt == 0:
                self._report(notice_of(CONNECTION_LIMIT, config))
            await asyncio.sleep(config.auth_retry_s)
        raise error_of(ErrorMessage(code=CONNECTION_LIMIT), config)

    async def subscribe(self, connection: FrameConnection) -> tuple[str, ...]:
        """Subscribe to everything of our symbols; returns those that the plan serves.

        Past the plan's limit (405, which leaves the subscription as it was) bars and statuses,
        which have none, are asked for alone, then trades and quotes of as many symbols as fit, in
        the order of the settings.
        """
        symbols, unlimited = self._config.symbols, self._unlimited()
        served = symbols
        if not await self._subscribe(connection, (*unlimited, *_LIMITED), symbols):
            await self._subscribe(connection, unlimited, symbols)
            served = await self._subscribe_what_fits(connection)
            self._report(self._limit_notice(served))
        self._go_live()
        return served

    async def subscribe_news(self, connection: FrameConnection) -> tuple[str, ...]:
        """Subscribe to the news of our symbols; returns them."""
        await self._subscribe(connection, ("news",), self._config.symbols)
        self._go_live()
        return self._config.symbols

    def _unlimited(self) -> tuple[str, ...]:
        config = self._config
        return _UNLIMITED["test" if config.feed == "test" else config.channel]

    async def _subscribe_what_fits(self, connection: FrameConnection) -> tuple[str, ...]:
        """Halve what is asked for until it fits, then add what still does."""
        symbols, n_served, step = self._config.symbols, 0, len(self._config.symbols) // 2
        while step:
            wanted = symbols[n_served : n_served + step]
            if wanted and await self._subscribe(connection, _LIMITED, wanted):
                n_served += len(wanted)
            else:
                step //= 2
        return symbols[:n_served]

    def _go_live(self) -> None:
        """Stop waiting for answers; what came with the last one is looked at now."""
        self.is_live = True
        while not self._answers.empty():
            left = self._answers.get_nowait()
            if isinstance(left, ErrorMessage):
                self.put(left)

    async def _subscribe(
        self, connection: FrameConnection, channels: Sequence[str], symbols: Sequence[str]
    ) -> bool:
        """Ask for channels of symbols; False when that is past the plan's limit."""
        asked: dict[str, Any] = {channel: list(symbols) for channel in channels}
        await self._ask(connection, action="subscribe", **asked)
        while True:
            answer = await self._answer(connection)
            if isinstance(answer, SubscriptionMessage):
                return True
            if isinstance(answer, ErrorMessage):
                if answer.code == SYMBOL_LIMIT:
                    return False
                raise error_of(answer, self._config)

    def _limit_notice(self, served: Sequence[str]) -> FeedNotice:
        notice = notice_of(SYMBOL_LIMIT, self._config)
        left = ", ".join(self._config.symbols[len(served) :])
        line = f"{notice.line} Without data: {left}."
        return FeedNotice(code=notice.code, line=line, remedy=notice.remedy, channel=notice.channel)

    async def _expect(self, connection: FrameConnection, kind: type[Control]) -> None:
        answer = await self._answer(connection)
        if isinstance(answer, ErrorMessage):
            raise error_of(answer, self._config)
        if not isinstance(answer, kind):
            raise Disconnected(f"The {self._config.name} stream began with another word.")

    async def _ask(self, connection: FrameConnection, **question: Any) -> None:
        await send(connection, self._encode(question), self._config)

    async def _answer(self, connection: FrameConnection) -> Control:
        """Return the next answer; raises `Disconnected` at the deadline or when the link ends."""
        answering = asyncio.ensure_future(self._answers.get())
        closing = asyncio.ensure_future(connection.wait_closed())
        try:
            await asyncio.wait(
                {answering, closing},
                timeout=self._config.reply_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if answering.done():
                return answering.result()
            why = "closed" if closing.done() else "did not answer in time"
            raise Disconnected(f"The {self._config.name} stream {why} during the handshake.")
        finally:
            answering.cancel()
            closing.cancel()
