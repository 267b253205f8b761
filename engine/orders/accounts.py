"""Hold what the journal says we own against what the venue says, in money and in positions.

A mark is what both agreed upon at a quiet moment; from there our own fills must lead to what the
venue answers now. What they do not explain is given the venue's known lag, then the venue's own
history of the account is asked; what that does not explain either is a difference that stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from domain.account import COIN_FEE, Account, Activity, FeeSchedule, Position
from domain.market import AssetClass, asset_class_of
from domain.orders import Fill, Order
from domain.ports import Clock
from domain.records import NS_PER_S, Record, format_ns, parse_ns
from engine.orders.ownership import Finding

ZERO = Decimal(0)
CASH = "cash"
CASH_DIFFERS = "CASH_DIFFERS"
POSITION_DIFFERS = "POSITION_DIFFERS"
REPAIR = "Run `autohedge reconcile`: it shows the difference and offers to accept the venue's word."

_ROUNDING = Decimal("0.05")
_CENT = Decimal("0.01")
_DUST = Decimal("0.00000001")
_COIN_SLACK = Decimal("0.003")
"""How much of a pair's traded quantity its fee may take (at most 0.25 %, Alpaca's fee page)."""


class Mark(Record, frozen=True):
    """What the venue and the journal agreed upon at `ts`, RFC 3339. Positions are signed."""

    ts: str
    cash: Decimal
    positions: dict[str, Decimal]


class Answer(Record, frozen=True):
    """What the venue says: when it was asked (ns), cash, and positions by our symbol."""

    asked_ns: int
    cash: Decimal
    positions: dict[str, Decimal]


class Flow(Record, frozen=True):
    """What has moved since the mark, and how far from it the venue's word may be."""

    cash: Decimal = ZERO
    cash_slack: Decimal = _ROUNDING
    quantity: dict[str, Decimal] = msgspec.field(default_factory=dict)
    slack: dict[str, Decimal] = msgspec.field(default_factory=dict)

    def plus(self, symbol: str, change: Decimal, cash: Decimal, notional: Decimal) -> Flow:
        """Return the flow with one execution more; its fee may be any up to the dearest."""
        is_pair = asset_class_of(symbol) is AssetClass.CRYPTO
        fee = notional * FeeSchedule().dearest if is_pair and change < 0 else ZERO
        coins = abs(change) * _COIN_SLACK if is_pair else ZERO
        return Flow(
            cash=self.cash + cash,
            cash_slack=self.cash_slack + _CENT + fee,
            quantity=self.quantity | {symbol: self.quantity.get(symbol, ZERO) + change},
            slack=self.slack | {symbol: self.slack.get(symbol, ZERO) + coins},
        )

    def after(self, fill: Fill) -> Flow:
        """Return the flow with a fill of ours more."""
        return self.plus(fill.symbol, fill.change, fill.cash, fill.quantity * fill.price)


class Accounts:
    """Follow our fills from the last mark on and judge the venue's answers by them.

    `managed` are the symbols whose positions are judged: those we trade, without those in which a
    position that is not ours stands.
    """

    def __init__(
        self,
        clock: Clock,
        managed: Callable[[], Iterable[str]],
        *,
        mark: Mark | None = None,
        since: Sequence[Fill] = (),
        grace_s: float = 10.0,
    ) -> None:
        self._clock = clock
        self._managed = managed
        self._grace_ns = int(grace_s * NS_PER_S)
        self._flow = Flow()
        self._moved_ns = 0
        self._since_ns: dict[str, int] = {}
        self.mark = mark
        for fill in since:
            self.follow(fill)

    def follow(self, fill: Fill) -> None:
        """Count a fill of ours; one from before the mark is in it already."""
        if self.mark is not None and fill.ts_event <= self.mark.ts:
            return
        self._flow = self._flow.after(fill)
        self._moved_ns = max(self._moved_ns, parse_ns(fill.ts_event))

    @property
    def is_doubting(self) -> bool:
        """Tell whether something differs that may still be the venue's lag."""
        return any(not self._has_lasted(name) for name in tuple(self._since_ns))

    def doubts(self, answer: Answer) -> bool:
        """Tell whether something has differed for longer than the venue's lag.

        Then its history is worth a question.
        """
        if self.mark is None:
            return False
        differing = self._differing(answer, self._flow)
        self._since_ns = {
            name: self._since_ns.get(name, self._clock.monotonic_ns()) for name in differing
        }
        return any(self._has_lasted(name) for name in differing)

    def is_sound(
        self, symbol: str, told: Decimal, history: Sequence[Activity] | None = None
    ) -> bool:
        """Tell whether our fills, or the venue's own history, lead to the quantity it tells."""
        if self.mark is None:
            return True
        flows = [self._flow] if history is None else [self._flow, _flow_of(history)]
        return any(
            abs(told - self._expected(symbol, flow)) <= self._slack(symbol, flow) for flow in flows
        )

    def revise(self, before: Order, after: Order) -> None:
        """Count what a bust or a correction took back."""
        sign = after.request.side.sign
        change = (after.filled_quantity - before.filled_quantity) * sign
        paid = (cost_of(after) - cost_of(before)) * sign
        if change or paid:
            self._flow = self._flow.plus(after.symbol, change, -paid, abs(paid))
            self._moved_ns = self._clock.now_ns()

    def judge(self, answer: Answer, history: Sequence[Activity] | None) -> list[Finding]:
        """Say what nothing explains; `history` is none when it was not asked for or not told.

        What the history explains moves the mark: it was done by somebody else, or by the venue.
        """
        if self.mark is None or not self._differing(answer, self._flow):
            self._since_ns.clear()
            self._settle(answer)
            return []
        found = []
        for name in self._differing(answer, self._flow):
            if not self._has_lasted(name):
                continue
            if history is not None and self._is_explained(name, answer, history):
                found += self._accept(name, answer)
            else:
                found.append(self._difference(name, answer))
        return found

    def accept(self, answer: Answer) -> None:
        """Take the venue's word for all of it, by a person's."""
        self._move(answer)

    def _settle(self, answer: Answer) -> None:
        """Move the mark when all agree, something has moved, and nothing moves just now."""
        has_moved = self.mark is None or self._flow != Flow()
        is_quiet = answer.asked_ns - self._moved_ns >= self._grace_ns
        if self.mark is None or (has_moved and is_quiet):
            self._move(answer)

    def _move(self, answer: Answer) -> None:
        self.mark = Mark(
            ts=format_ns(answer.asked_ns), cash=answer.cash, positions=dict(answer.positions)
        )
        self._flow = Flow()
        self._since_ns.clear()

    def _differing(self, answer: Answer, flow: Flow) -> list[str]:
        """Name what the answer and the mark disagree on: symbols, and the cash last."""
        assert self.mark is not None
        symbols = [
            symbol
            for symbol in sorted(self._managed())
            if abs(answer.positions.get(symbol, ZERO) - self._expected(symbol, flow))
            > self._slack(symbol, flow)
        ]
        is_cash_off = abs(answer.cash - self.mark.cash - flow.cash) > flow.cash_slack
        return [*symbols, CASH] if is_cash_off else symbols

    def _is_explained(self, name: str, answer: Answer, history: Sequence[Activity]) -> bool:
        assert self.mark is not None
        if name != CASH:
            return self.is_sound(name, answer.positions.get(name, ZERO), history)
        flow = _flow_of(history)
        return abs(answer.cash - self.mark.cash - flow.cash) <= flow.cash_slack

    def _expected(self, symbol: str, flow: Flow) -> Decimal:
        assert self.mark is not None
        return self.mark.positions.get(symbol, ZERO) + flow.quantity.get(symbol, ZERO)

    def _slack(self, symbol: str, flow: Flow) -> Decimal:
        return flow.slack.get(symbol, ZERO) + _DUST

    def _has_lasted(self, name: str) -> bool:
        """Tell what has differed for longer than the venue's answers may trail one another."""
        now_ns = self._clock.monotonic_ns()
        return now_ns - self._since_ns.setdefault(name, now_ns) >= self._grace_ns

    def _accept(self, name: str, answer: Answer) -> list[Finding]:
        """Count what the history explains, and say who has traded; money that moved needs no word.

        The flow alone is moved: a history from the mark on holds it already.
        """
        ours, flow = self._ours(name), self._flow
        self._since_ns.pop(name, None)
        if name == CASH:
            self._flow = msgspec.structs.replace(flow, cash=flow.cash + answer.cash - ours)
            return []
        theirs = answer.positions.get(name, ZERO)
        change = flow.quantity.get(name, ZERO) + theirs - ours
        self._flow = msgspec.structs.replace(flow, quantity=flow.quantity | {name: change})
        return [
            Finding(
                code="MANUAL_TRADE",
                symbol=name,
                message=f"{name} moved from {ours} to {theirs} by no order of ours: the symbol is "
                'reducing until POST /resume with {"code": "MANUAL_TRADE"}.',
                is_settled=True,
                ours=ours,
                venue=theirs,
            )
        ]

    def _difference(self, name: str, answer: Answer) -> Finding:
        ours = self._ours(name)
        theirs = answer.cash if name == CASH else answer.positions.get(name, ZERO)
        what = "Cash" if name == CASH else name
        if name == CASH:
            ours, theirs = ours.quantize(_CENT), theirs.quantize(_CENT)
        return Finding(
            code=CASH_DIFFERS if name == CASH else POSITION_DIFFERS,
            symbol="" if name == CASH else name,
            message=f"{what}: ours {ours}, the venue's {theirs}, and no fill explains it. {REPAIR}",
            is_settled=False,
            ours=ours,
            venue=theirs,
        )

    def _ours(self, name: str) -> Decimal:
        assert self.mark is not None
        return (
            self.mark.cash + self._flow.cash if name == CASH else self._expected(name, self._flow)
        )


def _flow_of(history: Sequence[Activity]) -> Flow:
    """Add the venue's own history up."""
    flow = Flow()
    for each in history:
        if each.side is not None:
            notional = each.quantity * each.price
            flow = flow.plus(each.symbol, each.change, each.cash, notional)
        elif each.kind != COIN_FEE:
            flow = msgspec.structs.replace(flow, cash=flow.cash + each.amount)
    return flow


def answer_of(
    asked_ns: int, account: Account, positions: Sequence[Position], spelled: Callable[[str], str]
) -> Answer:
    """Read the venue's answers about money and holdings as one."""
    held: Mapping[str, Decimal] = {spelled(row.symbol): row.quantity for row in positions}
    return Answer(asked_ns=asked_ns, cash=account.cash, positions=dict(held))


def cost_of(order: Order) -> Decimal:
    """Return what an order's fills came to."""
    return (order.average_price or ZERO) * order.filled_quantity
