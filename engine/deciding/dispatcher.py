"""Say which symbol is due for a run, and see each run through.

Nothing here runs by the tick: the rolling store calls when a bar closes or a band is left, and only
then. Most of what is heard leads to nothing, so each call costs microseconds.
"""

from __future__ import annotations

import asyncio
import math
import traceback
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count

import structlog

from domain.errors import AnalystError, AnalystTimeout, AutoHedgeError, InvariantBroken
from domain.market import Bar, NewsItem
from domain.ports import Clock
from domain.records import NS_PER_S, Record, format_ns
from engine.control import ControlRefused, UnknownSymbol
from engine.deciding.limiter import Limiter, Priority, Ticket, WakeReason, fresher

log = structlog.get_logger(__name__)

WAKE_BAND = "wake"
EXIT_BAND = "near_exit"
HEADLINES_KEPT = 256

_REASON_OF_BAND = {WAKE_BAND: WakeReason.PRICE_MOVED, EXIT_BAND: WakeReason.NEAR_EXIT}


class DropReason(StrEnum):
    """Why a ticket ended without a run."""

    QUEUE_FULL = "queue_full"
    LAPSED = "lapsed"
    STOPPED = "stopped"


class DispatcherConfig(Record, frozen=True):
    """When a symbol is due. `decision_deadline_s` is wall time, the others event time."""

    symbols: tuple[str, ...]
    cooldown_s: float = 60.0
    wake_move_atr: float = 1.5
    near_exit_atr: float = 0.5
    decision_deadline_s: float = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherPorts:
    """What the dispatcher asks and tells; every call but `run` is synchronous and never raises.

    `run` takes the window and decides; it ends when cancelled. `mid_and_atr` gives the latest mid
    price and average true range, or none. `exit_levels` gives the stop and the target of our
    position, as far as it has them. `set_band` asks for one `band_left` when the mid leaves
    [low, high]; a new band replaces the owner's old one. `on_drop` and `on_failure` journal and
    tell the watchers.
    """

    run: Callable[[Ticket], Awaitable[None]]
    is_warm: Callable[[str], bool]
    has_position: Callable[[str], bool]
    entries_possible: Callable[[str], bool]
    mid_and_atr: Callable[[str], tuple[float, float] | None]
    exit_levels: Callable[[str], Sequence[float | None]]
    set_band: Callable[[str, str, float, float], None]
    on_drop: Callable[[Ticket, DropReason], None]
    on_failure: Callable[[Ticket, Exception], None]


@dataclass(slots=True)
class _Edge:
    """A band whose leaving wakes once; after that, coming back into it arms it again."""

    low: float
    high: float
    has_fired: bool = False


@dataclass(slots=True)
class _Track:
    """What is remembered of one symbol. `reference` is the mid at its last decision."""

    symbol: str
    started_ns: int | None = None
    is_running: bool = False
    pending: Ticket | None = None
    reference: float | None = None
    edges: dict[str, _Edge] = field(default_factory=dict)
    headlines: OrderedDict[str, None] = field(default_factory=OrderedDict)


class Dispatcher:
    """Turn what happens into tickets: newest wins, one run a symbol in flight.

    A symbol that becomes due while it runs or cools down is remembered with its freshest reason
    and gets its ticket when that is over. The cool-down lies between the starts of two runs, so a
    run's own length never makes the next bar's run late. A dispatcher may run, stop and run again;
    what it heard while stopped is forgotten, cool-downs are not.
    """

    def __init__(
        self, config: DispatcherConfig, ports: DispatcherPorts, *, limiter: Limiter, clock: Clock
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._config = config
        self._ports = ports
        self._limiter = limiter
        self._clock = clock
        self._cooldown_ns = round(config.cooldown_s * NS_PER_S)
        self._tracks = {symbol: _Track(symbol) for symbol in config.symbols}
        self._cooling: deque[tuple[int, _Track]] = deque()  # in order: all cool equally long
        self._has_cooling = asyncio.Event()
        self._is_open = False
        self._numbers = count(1)

    @property
    def is_open(self) -> bool:
        """Tell whether it hands out tickets."""
        return self._is_open

    @property
    def running(self) -> tuple[str, ...]:
        """Return the symbols whose run is in flight."""
        return tuple(track.symbol for track in self._tracks.values() if track.is_running)

    async def run_forever(self) -> None:
        """Dispatch until cancelled; then every run is cancelled and no task is left.

        Tickets that waited are dropped as `STOPPED`. Raises `InvariantBroken` when it runs already:
        two would trade twice.
        """
        if self._is_open:
            raise InvariantBroken("The dispatcher runs already.")
        self._is_open = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._end_cooldowns(), name="dispatcher-cooldowns")
                for slot in range(self._limiter.slots):
                    tasks.create_task(self._limiter.serve(self._see_through), name=f"slot-{slot}")
        finally:
            self._close()

    def request(self, symbol: str, *, actor: str) -> Ticket:
        """Queue a run that a person asks for: no cool-down, first of all priorities.

        Asking again while it waits returns the same ticket. Raises `UnknownSymbol`, and
        `ControlRefused` when stopped, not warm, or the queue is full of operators' requests.
        """
        track = self._tracks.get(symbol)
        if track is None:
            known = ", ".join(self._tracks)
            raise UnknownSymbol(f"{symbol} is not traded here.", remedy=f"Choose of: {known}.")
        self._check_askable(symbol)
        earlier = track.pending if track.is_running else self._limiter.waiting_for(symbol)
        if earlier is not None and earlier.priority is Priority.OPERATOR:
            return earlier
        ticket = self._ticket(symbol, WakeReason.OPERATOR, actor=actor)
        if not self._admit(track, ticket):
            raise ControlRefused(
                "The queue is full of operators' requests.",
                remedy="Ask again when one has run, or raise LLM_QUEUE_SIZE.",
                code="QUEUE_FULL",
            )
        return ticket

    def bar_closed(self, bar: Bar) -> None:
        """Take a closed bar: its symbol is due, and what had fired may fire again."""
        track = self._tracks.get(bar.symbol)
        if track is None or not self._is_open:
            return
        self._arm_wake(track)
        self._arm_exits(track)
        self._due(track, WakeReason.BAR_CLOSED)

    def band_left(self, symbol: str, owner: str, mid: float) -> None:
        """Take the mid's leaving of a band of ours: an edge up the first time, its return after."""
        track = self._tracks.get(symbol)
        edge = track.edges.get(owner) if track else None
        if track is None or edge is None:
            return
        if edge.has_fired:
            edge.has_fired = False
            self._ports.set_band(symbol, owner, edge.low, edge.high)
            return
        edge.has_fired = True
        outside = (edge.high, math.inf) if mid > edge.high else (-math.inf, edge.low)
        self._ports.set_band(symbol, owner, *outside)
        self._due(track, _REASON_OF_BAND[owner])

    def news_arrived(self, item: NewsItem) -> None:
        """Take an article: each of our symbols it names is due, once for equal headlines."""
        if not self._is_open:
            return
        headline = " ".join(item.headline.casefold().split())
        for symbol in item.symbols:
            track = self._tracks.get(symbol)
            if track is None or headline in track.headlines:
                continue
            track.headlines[headline] = None
            if len(track.headlines) > HEADLINES_KEPT:
                track.headlines.popitem(last=False)
            self._due(track, WakeReason.NEWS)

    def levels_changed(self, symbol: str) -> None:
        """Take a change of our position, its stop or its target: watch the new levels."""
        track = self._tracks.get(symbol)
        if track is not None:
            self._arm_exits(track)

    def _check_askable(self, symbol: str) -> None:
        if not self._is_open:
            raise ControlRefused(
                "The session is stopped.", remedy="POST /start first.", code="SESSION_STOPPED"
            )
        if not self._ports.is_warm(symbol):
            raise ControlRefused(
                f"{symbol} has too few closed bars to decide on.",
                remedy="Wait for warm-up: GET /status shows its bars.",
                code="SYMBOL_NOT_WARM",
            )

    def _due(self, track: _Track, reason: WakeReason) -> None:
        """Count and admit what a symbol has become due for, if a run could lead to anything."""
        if not self._is_open:
            return
        if not self._can_run(track.symbol):
            self.counts["not_due"] += 1
            return
        self.counts[reason] += 1
        self._admit(track, self._ticket(track.symbol, reason))

    def _can_run(self, symbol: str) -> bool:
        ports = self._ports
        return ports.is_warm(symbol) and (
            ports.has_position(symbol) or ports.entries_possible(symbol)
        )

    def _ticket(self, symbol: str, reason: WakeReason, actor: str = "autohedge") -> Ticket:
        now = self._clock.now_ns()
        return Ticket(
            id=f"t{now // 1_000_000:x}-{next(self._numbers)}",
            symbol=symbol,
            reason=reason,
            priority=self._priority(symbol, reason),
            ts=format_ns(now),
            actor=actor,
        )

    def _priority(self, symbol: str, reason: WakeReason) -> Priority:
        if reason is WakeReason.OPERATOR:
            return Priority.OPERATOR
        if self._ports.has_position(symbol):
            return Priority.POSITION
        return Priority.SCHEDULED if reason is WakeReason.BAR_CLOSED else Priority.WOKEN

    def _admit(self, track: _Track, ticket: Ticket) -> bool:
        """Let the ticket wait now, or once the run or the cool-down ends; false when dropped."""
        is_asked = ticket.priority is Priority.OPERATOR
        if track.is_running or (not is_asked and self._cools(track)):
            track.pending = fresher(track.pending, ticket)
            return True
        dropped = self._limiter.offer(ticket)
        if dropped is not None:
            self._drop(dropped, DropReason.QUEUE_FULL)
        return dropped is not ticket

    def _cools(self, track: _Track) -> bool:
        started = track.started_ns
        return started is not None and self._clock.monotonic_ns() < started + self._cooldown_ns

    def _admit_pending(self, track: _Track) -> None:
        ticket = track.pending
        if ticket is not None and self._is_open:
            track.pending = None
            self._admit(track, ticket)

    async def _end_cooldowns(self) -> None:
        """Give each symbol its pending ticket when its cool-down ends."""
        while True:
            while not self._cooling:
                self._has_cooling.clear()
                await self._has_cooling.wait()
            until_ns, track = self._cooling[0]
            left_ns = until_ns - self._clock.monotonic_ns()
            if left_ns > 0:
                await self._clock.sleep(left_ns / NS_PER_S)
            else:
                self._cooling.popleft()
                self._admit_pending(track)

    async def _see_through(self, ticket: Ticket) -> None:
        """Run one ticket to its end: the one guard of the product around the one run."""
        track = self._tracks[ticket.symbol]
        if ticket.priority is not Priority.OPERATOR and not self._can_run(ticket.symbol):
            self._drop(ticket, DropReason.LAPSED)
            return
        self._begin(track)
        deadline = asyncio.timeout(self._config.decision_deadline_s)
        try:
            async with deadline:
                await self._ports.run(ticket)
        except asyncio.CancelledError as error:
            if _is_cancelled():
                self.counts["canceled"] += 1
                raise
            self._fail(ticket, AnalystError(f"A call of the run was cancelled: {error!r}"))
        except Exception as error:  # noqa: BLE001 - one run's crash must not end the others
            self._fail(ticket, self._missed(ticket) if deadline.expired() else error)
        finally:
            self._end(track)

    def _begin(self, track: _Track) -> None:
        """Mark the run: what was heard until now is in its window."""
        self.counts["started"] += 1
        track.is_running = True
        track.pending = None
        track.started_ns = self._clock.monotonic_ns()
        self._cooling.append((track.started_ns + self._cooldown_ns, track))
        self._has_cooling.set()
        seen = self._ports.mid_and_atr(track.symbol)
        track.reference = seen[0] if seen else None
        self._arm_wake(track)

    def _end(self, track: _Track) -> None:
        track.is_running = False
        self._admit_pending(track)

    def _missed(self, ticket: Ticket) -> AnalystTimeout:
        limit = f"{self._config.decision_deadline_s:g} s"
        return AnalystTimeout(
            f"The run of {ticket.symbol} missed its deadline of {limit}.",
            remedy="Raise DECISION_DEADLINE_S or choose a faster model.",
            code="RUN_DEADLINE",
        )

    def _fail(self, ticket: Ticket, error: Exception) -> None:
        self.counts["failed"] += 1
        if not isinstance(error, AutoHedgeError):
            where = "".join(traceback.format_exception(error))  # no values of variables
            log.error("run_failed", symbol=ticket.symbol, traceback=where)
        self._ports.on_failure(ticket, error)

    def _drop(self, ticket: Ticket, reason: DropReason) -> None:
        self.counts[reason] += 1
        self._ports.on_drop(ticket, reason)

    def _close(self) -> None:
        self._is_open = False
        asked = [track.pending for track in self._tracks.values() if track.pending]
        for track in self._tracks.values():
            track.pending = None
        for ticket in [*self._limiter.clear(), *asked]:
            self._drop(ticket, DropReason.STOPPED)

    def _arm_wake(self, track: _Track) -> None:
        """Watch for a move away from the price of the last decision."""
        seen = self._ports.mid_and_atr(track.symbol)
        if seen is not None and track.reference is not None:
            width = self._config.wake_move_atr * seen[1]
            self._set_edge(track, WAKE_BAND, track.reference - width, track.reference + width)

    def _arm_exits(self, track: _Track) -> None:
        """Watch for the mid's coming near the levels on either side of it."""
        levels = [x for x in self._ports.exit_levels(track.symbol) if x is not None]
        seen = self._ports.mid_and_atr(track.symbol)
        if not levels or seen is None:
            if track.edges.pop(EXIT_BAND, None) is not None:
                self._ports.set_band(track.symbol, EXIT_BAND, -math.inf, math.inf)
            return
        mid, atr = seen
        low = max((level for level in levels if level <= mid), default=-math.inf)
        high = min((level for level in levels if level > mid), default=math.inf)
        near = min(self._config.near_exit_atr * atr, (high - low) / 4)  # the middle stays free
        self._set_edge(track, EXIT_BAND, low + near, high - near)

    def _set_edge(self, track: _Track, owner: str, low: float, high: float) -> None:
        track.edges[owner] = _Edge(low, high)
        self._ports.set_band(track.symbol, owner, low, high)


def _is_cancelled() -> bool:
    """Tell whether our own task was asked to end, rather than something inside the run."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
