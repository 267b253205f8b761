"""Halt from a process of its own: a gateway without a session, beside a bot that does not answer.

The bot may be gone, hang, or hold the journal. What it is told by is a mark beside the journal,
written first; then its working orders are cancelled here, by the same engine code, on the same
journal: as its owner when nobody holds it, else appended to beside the owner.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal

import msgspec
from prometheus_client import CollectorRegistry

from api.assembly.opening.market import store_config
from api.assembly.plan import Plan
from broker.alpaca import AlpacaBroker
from domain.errors import BrokerError, ConfigError, JournalError
from domain.limits import TradingState
from domain.market import Instrument, Quote, asset_class_of
from domain.ports import Clock, Entry, EntryKind
from domain.records import Record
from engine.building import Engine, Outside, build_engine
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
        broker = AlpacaBroker(plan.broker, clock)
        stack.push_async_callback(broker.aclose)
        bench = _Bench(plan=plan, journal=journal, broker=broker, clock=clock)
        done = await _cancel(bench, order)
        if order.flatten and not done.fault:
            done = await _close(bench, order, done)
        if isinstance(journal, _Aside):
            where = await _write_aside(plan, clock, order) or where
        elif journal.is_up:
            mark.clear(order)
            unmarked = ""
    return msgspec.structs.replace(done, journal=where, journal_fault=unmarked)


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """What is worked with, open."""

    plan: Plan
    journal: SqlJournal
    broker: AlpacaBroker
    clock: Clock


class _NoRules(dict[str, Instrument]):
    """Stand in for rules that nobody has asked for: a cancel needs none, and waits for none."""

    def __missing__(self, symbol: str) -> Instrument:
        return Instrument(
            symbol=symbol,
            asset_class=asset_class_of(symbol),
            tick=Decimal("0.01"),
            lot=Decimal("0.000000001"),
            min_notional=Decimal(0),
        )


async def _cancel(bench: _Bench, order: HaltOrder) -> Halted:
    """Cancel first, before anything else is asked: working entries can cost money."""
    engine = build_engine(bench.plan.engine, await _outside(bench, _NoRules()))
    bot, touched = engine.bot, _touched(engine)
    fault = ""
    async with engine.guard.attended() as found:
        if order.protective and not order.flatten:
            await bot.cancel_all(actor=order.actor, reason=order.reason, protective=True)
        else:
            await bot.halt(actor=order.actor, reason=order.reason)
        if not found.is_conclusive:
            fault = await _why_silent(bench.broker)
    sweep = bot.status().last_sweep
    assert sweep is not None
    orders = (touched.get(each.client_order_id, each) for each in sweep.orders)
    return Halted(orders=tuple(orders), answered_in_s=sweep.answered_in_s, fault=fault)


async def _close(bench: _Bench, order: HaltOrder, done: Halted) -> Halted:
    """Close positions by the rules of their symbols; `done` are the cancels before."""
    try:
        held = await bench.broker.positions()
        managed = [each.symbol for each in held if each.symbol in bench.plan.engine.symbols]
        rules = {symbol: await bench.broker.instrument(symbol) for symbol in managed}
    except (BrokerError, ConfigError) as error:
        return msgspec.structs.replace(done, fault=error.line)
    outside = await _outside(bench, rules)
    if outside.remembered is _NOTHING and not order.account_wide:
        return msgspec.structs.replace(done, fault=_UNREADABLE)
    engine = build_engine(bench.plan.engine, outside)
    touched = _touched(engine)
    async with engine.guard.attended():
        left = await engine.bot.flatten(
            actor=order.actor, reason=order.reason, account_wide=order.account_wide
        )
    orders = {each.client_order_id: each for each in done.orders} | touched
    return msgspec.structs.replace(done, orders=tuple(orders.values()), left=tuple(left))


def _touched(engine: Engine) -> dict[str, SweptOrder]:
    """Return what will hold every order that changes, as it stands last."""
    touched: dict[str, SweptOrder] = {}
    engine.book.listen(lambda _, after, __: touched.update({after.client_order_id: swept(after)}))
    return touched


async def _why_silent(broker: AlpacaBroker) -> str:
    try:
        await broker.open_orders()
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


async def _outside(bench: _Bench, rules: dict[str, Instrument]) -> Outside:
    """Name what the engine stands on without feeds and analyst: none is needed to cancel."""
    plan, journal, clock = bench.plan, bench.journal, bench.clock
    bus, wall = Bus(), LiveClock()
    ears, calendar = MarketEars(bus.publish), AlwaysOpenCalendar()
    store = RollingStore(store_config(plan.engine), listener=ears, clock=clock, calendar=calendar)
    return Outside(
        broker=bench.broker,
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
        instruments=rules,
        remembered=await _remembered(journal, plan),
        venue=VenueWatch(bench.broker, clock, None),
        account_id="",
        mark=HaltMark(plan.mark_path),
    )


async def _remembered(journal: SqlJournal, plan: Plan) -> Remembered:
    """Read what is ours; nothing of a journal that cannot be read, whose orders the venue names."""
    read, symbols = journal.reader, plan.engine.symbols
    try:
        found = await remember(read.orders, read.states, read.decisions, symbols)
    except JournalError:
        return _NOTHING
    return msgspec.structs.replace(found, held=())


async def _no_quote(_symbol: str) -> Quote | None:
    """Have no quote: closing orders are priced from the position's own market price."""
    return None
