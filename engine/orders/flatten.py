"""Close every position a person wants closed, and go on until the venue says flat."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.account import Ledger
from domain.market import Instrument, Quote, SessionPhase
from domain.orders import Leg, Order, OrderRequest, Side
from domain.ports import Calendar, Clock, Entry, EntryKind, Journal
from domain.records import Record, digest, format_ns
from domain.risk import Denied
from engine.orders.protection.exits import Exits
from engine.orders.protection.plans import sellable
from engine.orders.protection.requests import Urgency, touch_of, urgent_request
from engine.orders.protection.watching.pace import Pace


class FlattenConfig(Record, frozen=True):
    """How a flatten behaves. `collar` is the fraction of price it may give up.

    `ttl_s`: how long a closing order may work before the next round prices it anew; between rounds
    lies `pace_s`, doubling to `pace_longest_s`. `answer_s`, in wall seconds: when whoever asked is
    told how far it came; it goes on behind the answer. Where nothing lives on (the command beside a
    bot that hangs) it ends after `longest_s`.
    """

    collar: Decimal = Decimal("0.03")
    ttl_s: float = 5.0
    pace_s: float = 0.25
    pace_longest_s: float = 5.0
    answer_s: float = 4.0
    longest_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class FlattenSeams:
    """What a flatten looks at, acts with and tells."""

    exits: Exits
    ledger: Ledger
    quote: Callable[[str], Quote | None]
    instrument: Callable[[str], Instrument]
    is_ours: Callable[[str], bool]
    is_managed: Callable[[str], bool]
    cancel_entries: Callable[[], Awaitable[object]]
    ended: Callable[[Order], Awaitable[Order]]
    refresh: Callable[[], Awaitable[None]]
    start: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None] | None]
    """Run work that outlives the question it was asked by; none where nothing does."""
    calendar: Calendar
    journal: Journal
    clock: Clock
    alert: Callable[[str, str, str], None]
    """Hear (code, message, symbol)."""


class Flatten:
    """Send closing orders through the exits, so the stop is cancelled before its quantity goes.

    One flatten works at a time, in rounds, until nothing that could be sold is left or a person
    resumes trading. A stock whose market is closed keeps its stop until the market opens.
    """

    def __init__(self, seams: FlattenSeams, config: FlattenConfig | None = None) -> None:
        self._seams = seams
        self._config = config or FlattenConfig()
        self._task: asyncio.Task[None] | None = None
        self._is_account_wide = False
        self._lives_on = True

    async def all(self, *, actor: str, account_wide: bool) -> bool:
        """Close what is ours; returns, within `answer_s`, whether all of it is done.

        `account_wide` takes in what others hold in the managed symbols; of symbols that are not
        managed no rules are known, and they are left alone.
        """
        self._is_account_wide = account_wide
        task = self._task
        if task is None or task.done():
            task = self._task = self._start(actor)
        patience_s = self._config.answer_s if self._lives_on else self._config.longest_s
        try:
            await asyncio.wait({task}, timeout=patience_s)
        finally:
            if not self._lives_on:
                task.cancel()
        if task.done() and not task.cancelled():
            task.result()
            return True
        held = ", ".join(f"{symbol} {self._seams.ledger.quantity(symbol)}" for symbol in self._open)
        self._seams.alert(
            "FLATTEN_GOES_ON",
            f"Not flat yet ({held or 'orders are being cancelled'}): it goes on until it is; "
            "watch /positions, and see at the venue if it does not answer.",
            "",
        )
        return False

    def _start(self, actor: str) -> asyncio.Task[None]:
        work = self._work(self._origin(actor))
        apart = self._seams.start(work, "flatten")
        self._lives_on = apart is not None
        return apart or asyncio.create_task(work, name="flatten")

    def cease(self) -> None:
        """Stop closing: a person trades again. What was sent is followed to its end."""
        if self._task is not None:
            self._task.cancel()

    async def _work(self, origin: str) -> None:
        """Cancel entries and close, round after round; each prices anew what is left."""
        await self._seams.cancel_entries()
        pace = Pace(self._seams.clock, self._config.pace_s, self._config.pace_longest_s)
        while symbols := self._open:
            requests = [self._request(symbol, origin) for symbol in symbols if self._trades(symbol)]
            results = await asyncio.gather(*(self._seams.exits.close(each) for each in requests))
            await self._settle([order for order in results if not isinstance(order, Denied)])
            await self._seams.refresh()
            pace.back_off()
            if self._open:
                await self._seams.clock.sleep(pace.left_s)

    @property
    def _open(self) -> list[str]:
        """Return the symbols with something to sell; dust is not."""
        may_close = self._seams.is_managed if self._is_account_wide else self._seams.is_ours
        held = [symbol for symbol in self._seams.ledger.positions if may_close(symbol)]
        return [symbol for symbol in held if self._sellable(symbol) > 0]

    def _sellable(self, symbol: str) -> Decimal:
        position, instrument = self._seams.ledger.position(symbol), self._seams.instrument(symbol)
        if position is None:
            return Decimal(0)
        return sellable(position.quantity, instrument, price=position.market_price or Decimal(0))

    def _trades(self, symbol: str) -> bool:
        asset_class = self._seams.instrument(symbol).asset_class
        phase = self._seams.calendar.phase(asset_class, self._seams.clock.now_ns())
        return phase is not SessionPhase.CLOSED

    async def _settle(self, orders: list[Order]) -> None:
        """Give the orders their time to fill; what is left is priced anew in the next round."""
        waits = [asyncio.ensure_future(self._seams.ended(order)) for order in orders]
        if not waits:
            return
        _, late = await asyncio.wait(waits, timeout=self._config.ttl_s + 2)
        for wait in late:
            wait.cancel()

    def _origin(self, actor: str) -> str:
        """Journal what the orders are named after; a dead journal does not stop a flatten."""
        now = format_ns(self._seams.clock.now_ns())
        origin = digest(["flatten", actor, now])[:24]
        body = {"id": origin, "kind": "flatten", "symbol": "", "reason": "flatten", "parent": None}
        self._seams.journal.trace(Entry(kind=EntryKind.ORIGIN, ref=origin, body=body))
        return origin

    def _request(self, symbol: str, origin: str) -> OrderRequest:
        """Price a marketable close inside the collar."""
        seams, instrument = self._seams, self._seams.instrument(symbol)
        position, quote = seams.ledger.position(symbol), seams.quote(symbol)
        assert position is not None
        side = Side.SELL if position.quantity > 0 else Side.BUY
        touch = position.market_price or position.average_price
        if quote is not None and 0 < quote.bid <= quote.ask:
            touch = touch_of(quote, side, instrument)
        urgency = Urgency(
            origin=origin,
            leg=Leg.FLATTEN,
            side=side,
            client_order_id=seams.exits.next_id(origin, Leg.FLATTEN),
            now_ns=seams.clock.now_ns(),
            collar=self._config.collar,
        )
        return urgent_request(urgency, self._sellable(symbol), instrument, touch=touch)
