"""Halt from a process of its own: a gateway without a session, beside a bot that does not answer.

The bot may be gone, hang, or hold the journal. What it is told by is a mark beside the journal,
written first; then its working orders are cancelled here, by the same engine code, on the same
journal: as its owner when nobody holds it, else appended to beside the owner.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

import msgspec
from prometheus_client import CollectorRegistry

from api.assembly.engine import Engine, build_engine
from api.assembly.outside import Outside
from api.assembly.plan import Plan
from api.assembly.process import store_config
from broker.alpaca import AlpacaBroker
from domain.errors import BrokerError, ConfigError, JournalError
from domain.limits import TradingState
from domain.market import Quote
from domain.ports import Clock, Entry, EntryKind
from domain.records import Record
from engine.bus import Bus
from engine.clock import LiveClock
from engine.control import PositionView, SweptOrder
from engine.deciding.limiter import Limiter
from engine.killswitch.mark import HaltMark, HaltOrder
from engine.killswitch.sweep import swept
from engine.restart import Remembered, remember
from engine.trading import EMPTY, OPERATOR
from engine.watching.market import MarketEars
from engine.watching.venue import VenueWatch
from feeds.calendar import AlwaysOpenCalendar
from feeds.store import RollingStore
from graph.analysts.rules import Rules
from graph.desk import Desk
from journal.aside import append_aside
from journal.sql import SqlJournal

_NOTHING = Remembered(
    orders=(),
    held=(),
    owned=frozenset(),
    reducing=frozenset(),
    standing=EMPTY,
    marks=None,
)


_UNREADABLE = (
    "The journal cannot be read, so no position is known to be ours: close them at the venue, or "
    "add --account-wide."
)


class Halted(Record, frozen=True):
    """What was done. `fault` is the venue's failure, `journal_fault` what could not be kept.

    `answered_in_s` runs from asking for the first cancel to the venue's answer to the last one;
    `left` are the positions that a flatten could not close, `journal` says where it is written.
    """

    orders: tuple[SweptOrder, ...] = ()
    answered_in_s: float | None = None
    left: tuple[PositionView, ...] = ()
    journal: str = ""
    fault: str = ""
    journal_fault: str = ""


async def halt_from_here(plan: Plan, order: HaltOrder, clock: Clock | None = None) -> Halted:
    """Leave the mark, cancel what the order names, and close positions when it says so.

    Raises nothing for a venue or a journal that fails: what could be done was done, and the faults
    are in the answer.
    """
    clock, mark = clock or LiveClock(), HaltMark(plan.mark_path)
    unmarked = ""
    try:
        mark.set(order)
    except JournalError as error:
        unmarked = error.line
    async with AsyncExitStack() as stack:
        journal, where = await _journal(plan, clock, stack)
        house = await _open(plan, journal, clock, stack)
        done = await _act(house, order)
        if isinstance(journal, _Aside):
            where = await _write_aside(plan, clock, order) or where
        elif journal.is_up:
            mark.clear(order)
            unmarked = ""
    return msgspec.structs.replace(done, journal=where, journal_fault=unmarked)


@dataclass(frozen=True, kw_only=True)
class _House:
    engine: Engine
    outside: Outside
    is_journal_readable: bool


async def _act(house: _House, order: HaltOrder) -> Halted:
    """Cancel entries first: they can cost money while anything else is asked."""
    bot, book = house.engine.bot, house.engine.book
    who = {"actor": order.actor, "reason": order.reason}
    left: tuple[PositionView, ...] = ()
    touched: dict[str, SweptOrder] = {}
    fault = ""
    async with house.engine.guard.attended() as found:
        book.listen(lambda _, after, __: touched.update({after.client_order_id: swept(after)}))
        if order.protective and not order.flatten:
            await bot.cancel_all(**who, protective=True)
        else:
            await bot.halt(**who)
        sweep = bot.status().last_sweep
        assert sweep is not None
        if order.flatten and not (house.is_journal_readable or order.account_wide):
            fault = _UNREADABLE
        elif order.flatten:
            try:
                await _learn_rules(house.outside, {view.symbol for view in bot.positions()})
                left = tuple(await bot.flatten(**who, account_wide=order.account_wide))
            except (BrokerError, ConfigError) as error:
                left, fault = tuple(bot.positions()), error.line
        if not found.is_conclusive:
            fault = fault or await _why_silent(house.outside)
    touched = {each.client_order_id: each for each in sweep.orders} | touched
    return Halted(
        orders=tuple(touched.values()), answered_in_s=sweep.answered_in_s, left=left, fault=fault
    )


async def _learn_rules(outside: Outside, symbols: set[str]) -> None:
    """Ask for the rules of what is held: orders to close it must be on its ticks and lots."""
    for symbol in symbols:
        outside.instruments[symbol] = await outside.broker.instrument(symbol)


async def _why_silent(outside: Outside) -> str:
    try:
        await outside.broker.open_orders()
    except BrokerError as error:
        return error.line
    return "The venue answered too late to know of every order; run it again."


async def _journal(plan: Plan, clock: Clock, stack: AsyncExitStack) -> tuple[SqlJournal, str]:
    """Open the journal as its owner; beside its owner when there is one, or when it fails."""
    try:
        return await stack.enter_async_context(SqlJournal(plan.journal, clock)), "written"
    except JournalError as error:
        aside = _Aside(plan, clock)
        return await stack.enter_async_context(aside), f"not written: {error.line}"


async def _write_aside(plan: Plan, clock: Clock, order: HaltOrder) -> str:
    """Write what the person did into a journal that we do not own; empty when it cannot be."""
    action = {
        "action": "halt",
        "actor": order.actor,
        "reason": order.reason,
        "args": {"flatten": order.flatten, "protective": order.protective},
    }
    state = {
        "state": TradingState.HALTED.value,
        "code": OPERATOR,
        "reason": order.reason or "halt",
        "actor": order.actor,
    }
    try:
        done = await append_aside(
            plan.journal,
            clock,
            Entry(kind=EntryKind.OPERATOR_ACTION, ref="halt", body=action),
            Entry(kind=EntryKind.TRADING_STATE, ref="trading", body=state),
        )
    except JournalError:
        return ""
    return "written beside the bot" if done.seq else f"spooled for the bot: {done.reason}"


class _Aside(SqlJournal):
    """The journal of a process that holds it: read as ever, appended to beside its owner.

    What became of orders is not written: the owner hears of it from the venue when it wakes, and
    told late by us it would stand behind its own news.
    """

    def __init__(self, plan: Plan, clock: Clock) -> None:
        super().__init__(plan.journal, clock)
        self._config = plan.journal
        self._now = clock

    async def open(self) -> None:
        """Take nothing: the owner has it."""

    async def close(self) -> None:
        """Close the reading connections."""
        await self.reader.close()

    @property
    def is_up(self) -> bool:
        """Tell that nothing may be opened from here."""
        return False

    async def append(self, *entries: Entry) -> int:
        """Keep an order that is about to be sent; only flattening sends any from here."""
        intents = [each for each in entries if each.kind in {EntryKind.GATE, EntryKind.INTENT}]
        if not intents:
            return 0
        return (await append_aside(self._config, self._now, *intents)).seq or 0

    def trace(self, *entries: Entry) -> None:
        """Write nothing."""


async def _open(plan: Plan, journal: SqlJournal, clock: Clock, stack: AsyncExitStack) -> _House:
    """Build the engine without feeds, analyst and rules of symbols: none is needed to cancel."""
    try:
        read = journal.reader
        symbols = plan.engine.symbols
        remembered = await remember(read.orders, read.states, read.decisions, symbols)
        is_readable = True
    except JournalError:
        remembered, is_readable = _NOTHING, False
    broker = AlpacaBroker(plan.broker, clock)
    stack.push_async_callback(broker.aclose)
    bus, wall = Bus(), LiveClock()
    ears, calendar = MarketEars(bus.publish), AlwaysOpenCalendar()
    store = RollingStore(store_config(plan.engine), listener=ears, clock=clock, calendar=calendar)
    outside = Outside(
        broker=broker,
        journal=journal,
        feeds=(),
        ask_quote=_no_quote,
        store=store,
        sink=store,
        ears=ears,
        calendar=calendar,
        desk=Desk(Rules(), wall),
        limiter=Limiter(slots=1, queue_size=1, clock=wall),
        clock=clock,
        wall=wall,
        bus=bus,
        registry=CollectorRegistry(),
        instruments={},
        remembered=msgspec.structs.replace(remembered, held=()),
        venue=VenueWatch(broker, clock, None),
        account_id="",
        mark=HaltMark(plan.mark_path),
    )
    return _House(
        engine=build_engine(plan.engine, outside),
        outside=outside,
        is_journal_readable=is_readable,
    )


async def _no_quote(_symbol: str) -> Quote | None:
    """Have no quote: closing orders are priced from the position's own market price."""
    return None
