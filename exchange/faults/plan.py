"""Run a fault plan: at every seam of the exchange, do what the armed faults want done."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from exchange.clock import NS_PER_S
from exchange.faults import market, requests, views
from exchange.faults.armed import Armed, Arsenal, Strike
from exchange.faults.fault import Fault, Target
from exchange.faults.kinds import FaultKind, Seam
from exchange.faults.seam import Answer, Faults, Request
from exchange.faults.targets import BY_CLIENT_ID, Targets, asked
from exchange.market.records import MarketMessage
from exchange.streams import errors
from exchange.streams.endpoints import Stream, name_of
from exchange.streams.errors import ErrorFrame
from exchange.streams.faults import Close, Frame, Freeze, LinkInfo, StreamFaults
from exchange.streams.messages import channel_of

if TYPE_CHECKING:
    from exchange.venue import Venue

_AUTH, _SUBSCRIBE = "auth", "subscribe"
_REFUSALS: dict[FaultKind, tuple[ErrorFrame, str]] = {
    FaultKind.STREAM_402: (errors.AUTH_FAILED, _AUTH),
    FaultKind.STREAM_404: (errors.AUTH_TIMEOUT, _AUTH),
    FaultKind.STREAM_405: (errors.SYMBOL_LIMIT, _SUBSCRIBE),
    FaultKind.STREAM_406: (errors.CONNECTION_LIMIT, _AUTH),
    FaultKind.STREAM_409: (errors.INSUFFICIENT_SUBSCRIPTION, _AUTH),
    FaultKind.STREAM_500: (errors.INTERNAL_ERROR, ""),
}
_GOING_AWAY, _POLICY_VIOLATION, _SERVER_ERROR, _TOO_MANY = 1001, 1008, 1011, 429
_HIDDEN_MOST = 10_000

Outgoing = Sequence[Frame | Close | Freeze]


class FaultPlan(Faults, StreamFaults):
    """Break what the faults say, and nothing else.

    The same seed and the same requests give the same faults: each fault has its own dice and counts
    its own matches. Faults may be added and cleared at any time; what hangs or is mute then ends.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self._arsenal = Arsenal(seed)
        self._targets = Targets()
        self._venue: Venue | None = None
        self._released = asyncio.Event()
        self._mute_until: dict[tuple[str, int], float] = {}
        self._hidden_until: dict[str, int] = {}
        self._halted_until: dict[str, int] = {}
        self._held: dict[str, deque[dict[str, Any]]] = {}
        self.add(*faults)

    @property
    def seed(self) -> int:
        """Return the seed of every fault's dice."""
        return self._arsenal.seed

    @property
    def armed(self) -> list[Armed]:
        """Return the faults that are armed, oldest first, with their counts."""
        return list(self._arsenal)

    @property
    def strikes(self) -> list[Strike]:
        """Return the newest strikes, oldest first."""
        return list(self._arsenal.strikes)

    @property
    def strikes_dropped(self) -> int:
        """Return how many strikes were pushed out of the record."""
        return self._arsenal.dropped

    def add(self, *faults: Fault) -> list[int]:
        """Arm faults; return their numbers."""
        return self._arsenal.add(faults)

    def clear(self, number: int | None = None) -> int:
        """Disarm one fault or all, let go of what hangs and is mute; return how many there were."""
        gone = self._arsenal.remove(number)
        self._mute_until.clear()
        self._hidden_until.clear()
        self._halted_until = dict.fromkeys(self._halted_until, 0)
        self._released.set()
        self._released = asyncio.Event()
        return gone

    def attach(self, venue: Venue) -> None:
        """Take the venue's clock, its door for late order events, and its halts."""
        self._venue = venue

    async def before_request(self, request: Request) -> Answer | None:
        """Lose, delay or refuse a request before it has its effect."""
        target = self._targets.of_request(request)
        if request.path == BY_CLIENT_ID and (miss := self._hidden(request)):
            return miss
        for fault in self._arsenal.hits(Seam.REQUEST, target, at_ns=request.at_ns):
            request.struck.append(fault.kind)
            if fault.kind in requests.WAITS:
                await self._wait(fault)
            if (answer := requests.refused(fault, request)) is not None:
                return answer
        return None

    async def after_request(self, request: Request, answer: Answer) -> Answer:
        """Hold up, change or take away the answer to a request."""
        if answer.is_cut:
            return answer
        target = self._targets.of_request(request)
        for fault in self._arsenal.hits(Seam.ANSWER, target, at_ns=request.at_ns):
            request.struck.append(fault.kind)
            if fault.kind is FaultKind.LOOKUP_LATE:
                self._hide(fault, request, answer)
            if fault.kind in (FaultKind.ANSWER_HANGS, FaultKind.EVENT_FIRST):
                await self._wait(fault)
            answer = requests.taken(fault, answer)
        return answer if answer.is_cut else self._viewed(request, target, answer)

    def before_event(self, event: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """Send an order event as it is, twice, later, changed, or never."""
        target = self._targets.of_event(event)
        held = self._held.pop(target.symbol, ())
        going = [event]
        for fault in self._arsenal.hits(Seam.EVENT, target, at_ns=self._now_ns()):
            going = self._events(fault, target.symbol, going)
        return [*going, *held]

    def refuse_handshake(self, path: str) -> int | None:
        """Answer 429 to an upgrade."""
        target = Target(stream=name_of(path))
        hits = self._arsenal.hits(Seam.HANDSHAKE, target, at_ns=self._now_ns())
        return _TOO_MANY if next(hits, None) else None

    def before_action(self, link: LinkInfo, action: str) -> ErrorFrame | None:
        """Answer a client's keys or subscription with an error."""
        target = Target(stream=link.endpoint)
        for armed in self._arsenal.at(Seam.ACTION):
            frame, wanted = _REFUSALS[armed.fault.kind]
            if not action.startswith(wanted) or not armed.fits(target):
                continue
            if self._arsenal.strikes_now(armed, target, at_ns=self._now_ns()):
                return frame
        return None

    def before_publish(self, stream: Stream, messages: list[MarketMessage]) -> list[MarketMessage]:
        """Change what the market says; the test stream's symbol is none of the venue's."""
        if stream is Stream.TEST or not (self._arsenal.at(Seam.MARKET) or self._halted_until):
            return messages
        return [told for message in messages for told in self._told(message)]

    async def before_send(self, link: LinkInfo, frame: Frame) -> Outgoing:
        """Lose, double, break or hold up a frame, or end its link."""
        if not self._arsenal.at(Seam.FRAME) and not self._mute_until:
            return (frame,)
        going: Outgoing = (frame,)
        target = Target(stream=link.endpoint)
        for fault in self._arsenal.hits(Seam.FRAME, target, at_ns=self._now_ns()):
            if fault.kind is FaultKind.LINK_SLOW:
                await self._wait(fault)
            elif fault.kind is FaultKind.LINK_MUTE:
                self._mute_until[link.endpoint, link.number] = _monotonic_s() + fault.lasts_s
            else:
                going = _framed(fault, link, frame)
        return () if self._is_mute(link) else going

    def _now_ns(self) -> int:
        return self._venue.clock.now_ns() if self._venue else time.time_ns()

    async def _wait(self, fault: Fault) -> None:
        """Let the fault's time pass, unless the plan is cleared before."""
        with suppress(TimeoutError):
            async with asyncio.timeout(fault.lasts_s):
                await self._released.wait()

    def _is_mute(self, link: LinkInfo) -> bool:
        return _monotonic_s() < self._mute_until.get((link.endpoint, link.number), 0.0)

    def _hide(self, fault: Fault, request: Request, answer: Answer) -> None:
        """Keep a new order out of sight of lookups by its client id."""
        if isinstance(answer.body, dict) and "client_order_id" in answer.body:
            if len(self._hidden_until) >= _HIDDEN_MOST:
                self._hidden_until.pop(next(iter(self._hidden_until)))
            until_ns = request.at_ns + int(fault.lasts_s * NS_PER_S)
            self._hidden_until[answer.body["client_order_id"]] = until_ns

    def _hidden(self, request: Request) -> Answer | None:
        client_order_id = asked(request, "client_order_id")
        if request.at_ns >= self._hidden_until.get(client_order_id, 0):
            return None
        request.struck.append(FaultKind.LOOKUP_LATE)
        return requests.not_found(client_order_id)

    def _viewed(self, request: Request, target: Target, answer: Answer) -> Answer:
        """Apply what changes answers; what has nothing to change has not matched."""
        for armed in self._arsenal.at(Seam.VIEW):
            if not armed.fits(target):
                continue
            view = views.View(request.path, answer.status, answer.body)
            seen = views.changed(armed.fault, view)
            if seen == view or not self._arsenal.strikes_now(armed, target, at_ns=request.at_ns):
                continue
            request.struck.append(armed.fault.kind)
            answer = replace(answer, status=seen.status, body=seen.body)
        return answer

    def _events(
        self, fault: Fault, symbol: str, going: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        match fault.kind:
            case FaultKind.EVENT_TWICE:
                return [*going, *going]
            case FaultKind.EVENT_UNKNOWN:
                return [views.unknown_event(event) for event in going]
            case FaultKind.SYMBOL_SPELLING:
                return [views.respelled_event(event) for event in going]
            case FaultKind.EVENT_LATE:
                self._later(fault, lambda: self._send(going))
                return []
            case FaultKind.EVENTS_SWAPPED:
                held = self._held.setdefault(symbol, deque())
                held.extend(going)
                self._later(fault, lambda: self._let_go(symbol, held))
                return []
            case _:
                return []

    def _let_go(self, symbol: str, held: deque[dict[str, Any]]) -> None:
        """Send events that were held back and whose successor never came."""
        if self._held.get(symbol) is held:
            self._send(self._held.pop(symbol))

    def _later(self, fault: Fault, act: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(fault.lasts_s, act)

    def _send(self, events: Iterable[dict[str, Any]]) -> None:
        if self._venue:
            for event in events:
                self._venue.send_event(event)

    def _told(self, message: MarketMessage) -> list[MarketMessage]:
        told = [message]
        target = Target(channel=channel_of(message), symbol=message.symbol)
        for armed in self._arsenal.at(Seam.MARKET):
            fault = armed.fault
            if not market.can_strike(fault.kind, message) or not armed.fits(target):
                continue
            if not self._arsenal.strikes_now(armed, target, at_ns=message.published_ns):
                continue
            if fault.kind is FaultKind.HALT:
                self._halt(fault, message)
            told = [*market.struck(fault, told[0]), *told[1:]]
        return [*told, *self._resumed(message)]

    def _halt(self, fault: Fault, message: MarketMessage) -> None:
        until_ns = message.published_ns + int(fault.lasts_s * NS_PER_S)
        self._halted_until[message.symbol] = until_ns
        self._set_halted(message.symbol, is_halted=True)

    def _resumed(self, message: MarketMessage) -> list[MarketMessage]:
        """Return the end of a symbol's halt with its first message after it."""
        until_ns = self._halted_until.get(message.symbol)
        if until_ns is None or message.published_ns < until_ns:
            return []
        del self._halted_until[message.symbol]
        self._set_halted(message.symbol, is_halted=False)
        return [market.status(message, is_halted=False)]

    def _set_halted(self, symbol: str, *, is_halted: bool) -> None:
        if self._venue:
            self._venue.set_status(symbol, halted=is_halted)


def _framed(fault: Fault, link: LinkInfo, frame: Frame) -> Outgoing:
    """Return what goes out in place of a frame."""
    match fault.kind:
        case FaultKind.LINK_CLOSED:
            return (Close(_GOING_AWAY, "going away"),)
        case FaultKind.LINK_CLOSED_1011:
            return (Close(_SERVER_ERROR, "internal error"),)
        case FaultKind.LINK_ABORTED:
            return (Close(None),)
        case FaultKind.LINK_FROZEN:
            return (frame, Freeze(fault.lasts_s))
        case FaultKind.STREAM_407:
            slow = errors.SLOW_CLIENT
            return (link.error(slow), Close(_POLICY_VIOLATION, slow.text))
        case FaultKind.FRAME_TWICE:
            return (frame, frame)
        case FaultKind.FRAME_GARBLED:
            return (Frame(frame.data[: len(frame.data) // 2], frame.is_text, frame.count),)
        case _:
            return ()


def _monotonic_s() -> float:
    return asyncio.get_running_loop().time()
