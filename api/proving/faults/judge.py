"""Say how a cell ended, and hold it against the exchange's own record."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import StrEnum

from api.proving.campaign import NO_MACHINE_S
from api.proving.faults.cells import Cell
from api.proving.faults.stand import MAX_ORDER_USD, Stand
from api.proving.kill.oracle import (
    Exposure,
    covers,
    differences,
    doubled,
    exposures,
    over_sold,
)
from domain.limits import TradingState
from domain.records import NS_PER_S
from exchange.record import RequestRecord
from exchange.streams.endpoints import ORDER_EVENTS

BARE_S, UNSEEN_S = 1.0, 35.0
"""How long a position may be bare once that can be seen, and how long it may go unseen."""

_TAKEN = 200


class End(StrEnum):
    """How a cell ended: with what, for whom a person must act, or not at all."""

    PROTECTED = "protected"
    """The position is held, and a stop of its whole rests at the venue."""
    FLAT = "flat"
    """Something was entered, and nothing is held or works."""
    NOTHING = "nothing sent"
    """No entry reached the venue's book: it was denied, refused or given up."""
    REDUCING = "reducing"
    """The symbol takes no entries until a person resumes it, and says so."""
    HALTED = "halted, told"
    """Trading is lowered with a code, and says so."""
    NOT_STAGED = "not staged"
    """The step at which the fault was to strike never came: nothing was tried."""
    UNSETTLED = "UNSETTLED"
    """It did not come to an end in time: a breach."""


class Judge:
    """Watch one cell from its start."""

    def __init__(self, stand: Stand, cell: Cell) -> None:
        self._stand = stand
        self._cell = cell
        self._began_ns = stand.house.exchange.venue.clock.now_ns()
        self.longest_s = self.longest_seen_s = 0.0
        self.slow: list[str] = []
        self._blamed = set(self._shared())
        self._told = len(stand.process.bot.status().notices)
        self._last_told = stand.process.bot.status().notices[-1:]
        self._decided_at = stand.decided_at(cell.road.value)

    async def end(self) -> End:
        """Return how the cell stands now; unsettled while it is still under way."""
        status, house = self._stand.process.bot.status(), self._stand.house
        symbol = self._cell.road.value
        if self._stand.decided_at(symbol) == self._decided_at or await self.lost():
            return End.UNSETTLED
        if status.trading is not TradingState.ACTIVE:
            return End.HALTED
        if any(each.symbol == symbol and each.is_reducing for each in status.symbols):
            return End.REDUCING
        if not covers(house, symbol):
            return End.UNSETTLED
        if self._stand.is_protected(symbol):
            return End.PROTECTED
        if house.orders("open"):
            return End.UNSETTLED
        return End.FLAT if self._entries(_TAKEN) or self._filled() else End.NOTHING

    async def lost(self) -> list[str]:
        """Return where journal and venue disagree."""
        return await differences(self._stand.house, self._stand.process.bot.reader())

    async def decided(self) -> str:
        """Return what came of the newest decision on the symbol, in words."""
        reader = self._stand.process.bot.reader()
        page = await reader.decisions.page(symbol=self._cell.road.value, limit=1)
        return " ".join(
            f"({row.outcome} {row.reason_code} {row.denial_code})" for row in page.items
        )

    def breaches(self) -> list[str]:
        """Return a line for each promise that was broken since the cell began.

        Those that a slow machine explains go to `slow`.
        """
        lines = [line for line in self._shared() if line not in self._blamed]
        lines += [
            f"{each.body['client_order_id']} is worth more than {MAX_ORDER_USD} USD"
            for each in self._entries()
            if _worth(each) > MAX_ORDER_USD
        ]
        return lines + self._bare()

    def _shared(self) -> list[str]:
        return doubled(self._stand.house) + over_sold(self._stand.house)

    def _bare(self) -> list[str]:
        """Return positions that stood without a stop too long and nobody was told.

        The time counts from when the venue first let the bot see it: a fault may hold the news up,
        but never longer than the bot goes without a look of its own.
        """
        self.longest_s, self.longest_seen_s, self.slow = 0.0, 0.0, []
        now_ns, lines = self._stand.house.exchange.venue.clock.now_ns(), list[str]()
        for each in exposures(self._stand.house, now_ns):
            is_dust = each.end_ns >= now_ns and covers(self._stand.house, each.symbol)
            is_ours = each.symbol == self._cell.road.value and each.begin_ns >= self._began_ns
            if is_dust or not is_ours:
                continue
            bare_s = (each.end_ns - each.begin_ns) / NS_PER_S
            seen_s = max(0, each.end_ns - self._seen_ns(each)) / NS_PER_S
            self.longest_s = max(self.longest_s, bare_s)
            self.longest_seen_s = max(self.longest_seen_s, seen_s)
            if (seen_s > BARE_S or bare_s > UNSEEN_S) and not self._was_told():
                is_long = seen_s > NO_MACHINE_S or bare_s > UNSEEN_S + NO_MACHINE_S
                (lines if is_long else self.slow).append(
                    f"{each.symbol} stood bare for {bare_s:.2f} s, {seen_s:.2f} s of it visibly,"
                    " and nothing was said"
                )
        return lines

    def _seen_ns(self, exposure: Exposure) -> int:
        """Return when an order event or an answer first told of what is so since the beginning."""
        exchange = self._stand.house.exchange
        told = [
            frame.at_ns
            for frame in exchange.frames
            if frame.endpoint == ORDER_EVENTS and frame.way == "out"
            if frame.at_ns >= exposure.begin_ns and _tells(frame.data, exposure.symbol)
        ]
        told += [
            asked.at_ns
            for asked in exchange.venue.record.requests("GET")
            if asked.at_ns >= exposure.begin_ns and asked.status == _TAKEN
            if asked.path.startswith(("/v2/orders", "/v2/positions"))
        ]
        return min(told, default=exposure.end_ns)

    def _was_told(self) -> bool:
        """Tell whether anything about this symbol, or about all, was raised since the start."""
        status = self._stand.process.bot.status()
        new = [
            each
            for each in status.notices
            if each not in self._last_told and each.symbol in (None, "", self._cell.road.value)
        ]
        is_news = len(status.notices) > self._told or status.notices[-1:] != self._last_told
        return status.trading is not TradingState.ACTIVE or (is_news and bool(new))

    def _entries(self, *statuses: int) -> list[RequestRecord]:
        posts = self._stand.house.exchange.venue.record.requests("POST", "/v2/orders")
        return [
            post
            for post in posts
            if post.at_ns >= self._began_ns and "-entry-" in post.body["client_order_id"]
            if not statuses or post.status in statuses
        ]

    def _filled(self) -> bool:
        records = self._stand.house.exchange.venue.record.event_records()
        return any(each.at_ns >= self._began_ns for each in records)


def _tells(data: bytes, symbol: str) -> bool:
    """Tell whether a frame can be read and is about a symbol."""
    try:
        order = json.loads(data)["data"]["order"]
    except (ValueError, LookupError, TypeError):
        return False
    return str(order["symbol"]).replace("/", "") == symbol.replace("/", "")


def _worth(post: RequestRecord) -> Decimal:
    return Decimal(str(post.body["qty"])) * Decimal(str(post.body["limit_price"]))
