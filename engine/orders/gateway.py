"""The only door to a broker: authorize, write ahead, send, and never lose sight of the order.

No other module calls `authorize`, `Broker.submit` or `Broker.cancel`. What an order costs is
reserved in the same step in which it is checked; that it will be sent is on disk before it is; and
whatever the venue then answers, or fails to answer, has one defined outcome here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog

from domain.errors import (
    BrokerError,
    BrokerRefused,
    InvariantBroken,
    JournalError,
    NotSent,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
)
from domain.orders import (
    Leg,
    Order,
    OrderEventKind,
    OrderReport,
    OrderRequest,
    OrderState,
    Purpose,
    TimeInForce,
)
from domain.records import NS_PER_S, format_ns, parse_ns
from domain.risk import BINDS, AuthorizedOrder, Code, Denied, Facts, authorize
from engine.orders.book import event_of
from engine.orders.delivery.cancels import Cancels
from engine.orders.delivery.lookup import Lookup, Repeated
from engine.orders.delivery.points import NOT_SENT, Point
from engine.orders.delivery.rechecks import Rechecks
from engine.orders.delivery.seams import GatewayConfig, GatewaySeams
from engine.orders.delivery.second_looks import SecondLooks
from engine.orders.delivery.turns import Turns
from engine.orders.delivery.written import WriteAhead, asked_again, denied_body, gate_entry

log = structlog.get_logger(__name__)

_K = OrderEventKind


class Gateway:
    """Send and cancel orders; run it with `async with`, which leaves no task behind.

    Leaving waits for submissions under way (their deadline bounds it), so none becomes unknown by
    our own doing; look-ups and cancels that are still open are taken up again at the next start.
    """

    def __init__(self, seams: GatewaySeams, config: GatewayConfig | None = None) -> None:
        self._seams = seams
        self._config = config or GatewayConfig()
        self._book = seams.book
        self._lookup = Lookup(seams.broker, seams.book, self._config.lookup)
        self._turns = Turns()
        self._rechecks = Rechecks(seams)
        self._written = WriteAhead(seams, self._config.write_ahead_s)
        self._cancels = Cancels(
            seams.book,
            lookup=self._lookup,
            ask=self._ask_cancel,
            spawn=self._spawn,
            config=self._config,
        )
        self._second_looks = SecondLooks(
            seams.book, self._lookup, self._spawn, self._config.second_look_s
        )
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sending: set[asyncio.Task[Any]] = set()
        self._unsent: set[str] = set()
        self._unwanted: dict[str, str] = {}
        self._timed: set[str] = set()
        self._book.listen(self._on_change)

    async def __aenter__(self) -> Self:
        """Start: orders can be sent from here on."""
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let submissions under way finish, end everything else."""
        group, self._group = self._group, None
        if self._sending:
            await asyncio.wait(self._sending, timeout=self._config.deadline_s)
        for task in self._tasks:
            task.cancel()
        is_cancelled = kind is not None and issubclass(kind, asyncio.CancelledError)
        if group is not None and is_cancelled:
            await group.__aexit__(kind, error, trace)
        elif group is not None:
            await group.__aexit__(None, None, None)

    def turn(self, symbol: str) -> AbstractAsyncContextManager[None]:
        """Hold a symbol for a sequence (cancel, wait, protect) that no entry may interrupt."""
        return self._turns.take(symbol)

    async def submit(self, request: OrderRequest) -> Order | Denied:
        """Authorize, write ahead and send; returns the order as the first answer left it.

        No await lies between reading the facts and reserving. The sending is a task of the
        gateway's own: a caller that is cancelled cuts nothing. Raises nothing of the broker's:
        what goes wrong there is the order's state.
        """
        async with self._turns.take(request.symbol):
            verdict = self._authorize(request)
        if isinstance(verdict, Denied):
            return verdict
        task = self._spawn(self._begin(*verdict), f"send:{request.client_order_id}")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return await asyncio.shield(task)

    async def cancel(self, order: Order, reason: str) -> Order:
        """Ask the venue to cancel and see it through; returns the order as it stands then.

        An order that has not left yet is withdrawn; one whose venue id is not known yet is
        cancelled as soon as it is. Asking twice asks once. Raises nothing of the broker's.
        """
        order, name = self._book.get(order.client_order_id) or order, order.client_order_id
        if not order.is_working or self._cancels.is_asked(name):
            return order
        if name in self._unsent:
            return self._book.note(order, _K.REJECTED, f"{NOT_SENT}: withdrawn, {reason}")
        if order.venue_order_id is None:
            self._unwanted[name] = reason
            return order
        await asyncio.shield(self._cancels.begin(order, reason))
        return self._book.get(name) or order

    @property
    def cancel_answered_at(self) -> float:
        """Return when the venue last answered a cancel, in the loop's seconds."""
        return self._cancels.answered_at

    async def cancel_entries(self, reason: str) -> list[Order]:
        """Cancel every working entry at once; protection stays."""
        entries = [order for order in self._book.working() if order.request.leg is Leg.ENTRY]
        return list(await asyncio.gather(*(self.cancel(entry, reason) for entry in entries)))

    def resume(self) -> None:
        """Take up what a crash left open: unknown orders are looked up, old entries cancelled.

        A sending that a crash cut is as unknown as one that timed out. An exit is sent again once
        it is authorized anew, which waits until the venue has said what is held.
        """
        for order in self._book.working():
            if order.state in {OrderState.SUBMITTING, OrderState.UNKNOWN}:
                self._book.note(order, _K.SUBMIT_UNKNOWN, "the process ended before the answer")
                self._settle(order, None, self._window_s(order))
            elif order.state is OrderState.PENDING_CANCEL and order.venue_order_id is not None:
                self._cancels.begin(order, order.reason)
            self._start_timer(order)
            self._second_looks.begin(order)

    def _authorize(self, request: OrderRequest) -> tuple[AuthorizedOrder, Facts] | Denied:
        """Check and reserve in one step without an await (law 9); returns what it rests on too."""
        if self._group is None:
            raise InvariantBroken("the gateway is not running")
        limits, facts = self._seams.limits(), self._seams.facts(request)
        if self._book.get(request.client_order_id) is not None:
            name = request.client_order_id
            verdict: AuthorizedOrder | Denied = Denied(
                code=Code.DUPLICATE_ORDER, value=f"{name} was seen before", limit="once"
            )
        else:
            verdict = authorize(request, facts, limits, self._book.ledger)
        if isinstance(verdict, Denied):
            self._seams.journal.trace(gate_entry(request, verdict))
            self._book.publish("order_denied", denied_body(request, verdict))
            return verdict
        self._seams.counted()
        self._seams.at(Point.AUTHORIZED)
        self._unsent.add(request.client_order_id)
        self._start_timer(self._book.open(request))
        return verdict, self._rechecks.with_account(request, facts)

    async def _begin(self, authorized: AuthorizedOrder, judged: Facts) -> Order | Denied:
        request = authorized.request
        order = self._book.get(request.client_order_id)
        assert order is not None
        try:
            await self._written.write(authorized)
        except JournalError as error:
            self._book.note(order, _K.REJECTED, f"{NOT_SENT}: {Code.JOURNAL_DOWN}")
            denied = Denied(code=Code.JOURNAL_DOWN, value=error.line, limit="")
            self._book.publish("order_denied", denied_body(request, denied))
            return denied
        self._seams.at(Point.WRITTEN_AHEAD)
        if (ended := self._ended_meanwhile(order, judged)) is not None:
            return ended
        self._book.publish("order_submitted", {"request": request})
        delay_s = await self._send(authorized, tries=1)
        if delay_s is not None:
            self._spawn(self._send_again(authorized, delay_s), f"again:{request.client_order_id}")
        return self._book.get(request.client_order_id) or order

    def _ended_meanwhile(self, order: Order, judged: Facts) -> Order | None:
        """Return an order that ended or may go no more while it was written: a disk may be slow.

        What was true at the verdict is asked anew: a loss may have lowered trading since. Where
        not one fact has moved, nor the clock, there is nothing to ask (a market that is played).
        """
        request, now = order.request, self._book.get(order.client_order_id) or order
        if not now.is_working:
            return now
        if self._rechecks.is_unmoved(request, judged):
            return None
        failed = self._rechecks.failed(request, asked_again(request.purpose))
        if failed is None:
            return None
        return self._book.note(now, _K.REJECTED, f"{NOT_SENT}: {failed}")

    async def _send(self, authorized: AuthorizedOrder, *, tries: int) -> float | None:
        """Send once and apply the outcome; returns the pause before the next try, or none."""
        request, name = authorized.request, authorized.request.client_order_id
        order = self._book.get(name)
        if order is None or not order.is_working:
            return None
        try:
            report = await self._post(authorized)
        except RateLimited as error:
            self._unsent.add(name)
            is_entry = request.purpose is Purpose.ENTRY
            longest_s = error.retry_after_s if is_entry else self._config.retry_longest_s
            return self._next_try(order, error, min(error.retry_after_s, longest_s))
        except NotSent as error:
            self._unsent.add(name)
            is_last = request.purpose is Purpose.ENTRY and tries >= self._config.max_entry_tries
            pause_s = min(self._config.retry_s * 2 ** (tries - 1), self._config.retry_longest_s)
            return self._next_try(order, error, None if is_last else pause_s)
        except (OrderRejected, BrokerRefused) as error:
            self._book.note(order, _K.REJECTED, getattr(error, "reason", "") or str(error))
        except BrokerError as error:
            self._book.note(order, _K.SUBMIT_UNKNOWN, str(error))
            self._settle(order, authorized, self._seams.limits().unknown_window_s)
        else:
            self._hear(name, report)
        return None

    async def _post(self, authorized: AuthorizedOrder) -> OrderReport:
        """Hand the order to the broker: from here on it counts as sent, until proven otherwise."""
        self._unsent.discard(authorized.request.client_order_id)
        self._seams.at(Point.SENDING)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._config.deadline_s):
                return await self._seams.broker.submit(authorized)
        except TimeoutError:
            raise OutcomeUnknown(
                f"The broker did not answer within {self._config.deadline_s:g} s."
            ) from None
        finally:
            self._seams.at(Point.ANSWERED)
            self._seams.answered(authorized.request.leg, loop.time() - began)

    def _hear(self, name: str, report: OrderReport) -> None:
        now = format_ns(self._seams.clock.now_ns())
        self._book.apply(msgspec.structs.replace(event_of(report, now), client_order_id=name))
        self._seams.at(Point.APPLIED)

    def _next_try(self, order: Order, error: BrokerError, pause_s: float | None) -> float | None:
        """Return the pause when another try fits into the order's life, else give it up unsent."""
        left_ns = parse_ns(order.request.valid_until) - self._seams.clock.now_ns()
        if pause_s is not None and pause_s * NS_PER_S < left_ns:
            return pause_s
        self._book.note(order, _K.REJECTED, f"{NOT_SENT}: {error}")
        return None

    async def _send_again(self, authorized: AuthorizedOrder, pause_s: float | None) -> None:
        """Try again what did not leave, while it may still be sent."""
        request, tries = authorized.request, 1
        while pause_s is not None:
            await asyncio.sleep(pause_s)
            order = self._book.get(request.client_order_id)
            if order is None or request.client_order_id not in self._unsent:
                return
            failed = self._rechecks.failed(request, asked_again(request.purpose))
            if failed is not None:
                self._book.note(order, _K.REJECTED, f"{NOT_SENT}: {failed}")
                return
            tries += 1
            pause_s = await self._send(authorized, tries=tries)

    def _settle(self, order: Order, known: AuthorizedOrder | None, window_s: float) -> None:
        """Look the order up in the background; an exit is sent again meanwhile."""
        request, repeat = order.request, None
        if request.purpose is not Purpose.ENTRY:

            async def repeat_exit() -> Repeated:
                return await self._repeat(request, known)

            repeat = repeat_exit
        settling = self._lookup.settle(order, window_s=window_s, repeat=repeat)
        self._spawn(settling, f"lookup:{order.client_order_id}")

    async def _repeat(self, request: OrderRequest, known: AuthorizedOrder | None) -> Repeated:
        """Send an exit again with the same id: success or "must be unique" settles it.

        It must still close no more than is held. A refusal says nothing about the first sending,
        which may be what holds the quantity.
        """
        if parse_ns(request.valid_until) < self._seams.clock.now_ns():
            return Repeated.REFUSED
        if self._rechecks.failed(request, BINDS[Purpose.PROTECT]) is not None:
            return Repeated.NOT_SENT
        authorized = known or self._reauthorized(request)
        if authorized is None:
            return Repeated.NOT_SENT
        try:
            report = await self._post(authorized)
        except (NotSent, RateLimited):
            return Repeated.NOT_SENT
        except (OrderRejected, BrokerRefused):
            return Repeated.REFUSED
        except BrokerError:
            return Repeated.MAYBE_SENT
        self._hear(request.client_order_id, report)
        return Repeated.MAYBE_SENT

    def _reauthorized(self, request: OrderRequest) -> AuthorizedOrder | None:
        """Authorize an exit of before a restart on what is held now; its intent is on disk."""
        verdict = authorize(
            request, self._seams.facts(request), self._seams.limits(), self._book.ledger
        )
        self._seams.journal.trace(gate_entry(request, verdict))
        return verdict if isinstance(verdict, AuthorizedOrder) else None

    def _window_s(self, order: Order) -> float:
        """Return how long a restored order must be missed: not at all when it is long past.

        Nothing is sent after `valid_until`, so one window later a single clean miss is proof.
        """
        window_s = self._seams.limits().unknown_window_s
        past_ns = self._seams.clock.now_ns() - parse_ns(order.request.valid_until)
        return 0.0 if past_ns > window_s * NS_PER_S else window_s

    async def _ask_cancel(self, order: Order) -> None:
        await self._seams.broker.cancel(order)

    def _on_change(self, _before: Order | None, after: Order, _fill: object) -> None:
        """Keep the promises made to an order: cancel it once it is known, end it at its time."""
        name = after.client_order_id
        if not after.is_working:
            self._unsent.discard(name)
            self._unwanted.pop(name, None)
            self._timed.discard(name)
            return
        if self._group is None:
            return
        if after.venue_order_id is not None and name in self._unwanted:
            self._cancels.begin(after, self._unwanted.pop(name))
        self._start_timer(after)
        self._second_looks.begin(after)

    def _start_timer(self, order: Order) -> None:
        """Bound an entry's life, once: the venue bounds an IOC's, nobody else a limit's."""
        request = order.request
        is_bounded = request.leg is not Leg.ENTRY or request.time_in_force is TimeInForce.IOC
        if is_bounded or not order.is_working or order.client_order_id in self._timed:
            return
        self._timed.add(order.client_order_id)
        self._spawn(self._expire(order), f"ttl:{order.client_order_id}")

    async def _expire(self, order: Order) -> None:
        ttl_s = self._seams.limits().entry_ttl_s
        if order.ts_submitted is not None:
            age_ns = self._seams.clock.now_ns() - parse_ns(order.ts_submitted)
            ttl_s = max(0.0, ttl_s - age_ns / NS_PER_S)
        await self._seams.clock.sleep(ttl_s)
        await self.cancel(order, "the entry's time is over")

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        if self._group is None:
            work.close()
            raise InvariantBroken("the gateway is not running")
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
