"""Stand in for the graph's desk: turn what a policy wants into a decision like any other."""

from __future__ import annotations

from collections.abc import Callable, Collection
from decimal import Decimal

import msgspec

from domain.decisions import (
    Action,
    Check,
    Decision,
    Directive,
    ExecutionPlan,
    ExecutionStyle,
    Intent,
    Outcome,
    Verdict,
)
from domain.limits import Limits
from domain.market import Window
from domain.orders import OrderClass, OrderRequest, TimeInForce
from domain.pricing import allowance, to_decimal
from domain.records import parse
from domain.risk.facts import ATR
from graph.approval.node import Word
from graph.desk import Run, graph_version
from graph.execution import build_order

_IN_COLLAR = 0.99
_OFFSET_ATR = 0.03
_NOMINAL = 0.9
"""Of the farthest stop that the limits allow: how far a policy's limit price lies beyond the quote,
and how far below that its stop stands on paper. That stop is not placed."""


class PolicyDesk:
    """Decide by what a policy wants of a symbol, on the window that the graph would have seen.

    `wants` returns the share of equity that the policy asked for at the last close. Sizing, prices
    and terms are the graph's own; checks are the gate's.
    """

    has_approvals = False

    def __init__(self, name: str, wants: Callable[[str], float], limits: Limits) -> None:
        self.analyst = name
        self.prompts: dict[str, str] = {}
        self._wants = wants
        self._limits = limits

    async def decide(self, window: Window, *, deadline_s: float) -> Run:
        """Decide at once."""
        del deadline_s
        share = self._wants(window.symbol)
        is_held = window.position is not None
        is_close = is_held and share <= 0
        if is_close == is_held and (is_held or share <= 0):
            return self._run(window, None, share) if is_close else self._held(window, share)
        return self._run(window, _verdict(window, share, self._limits), share)

    async def waits(self, decision: Decision) -> bool:
        """Tell that no decision waits for a person."""
        del decision
        return False

    async def conclude(self, decision: Decision, word: Word) -> Decision:
        """Return the decision: nothing waited."""
        del word
        return decision

    async def forget(self, decision: Decision) -> None:
        """Forget nothing."""

    async def keep_only(self, decisions: Collection[Decision]) -> None:
        """Forget nothing."""

    def _held(self, window: Window, share: float) -> Run:
        directive = _directive(Action.HOLD, share)
        decision = _decision(window, self.analyst, Outcome.HELD, "POLICY_HOLDS", directive)
        return Run(decision=decision, prompts={})

    def _run(self, window: Window, verdict: Verdict | None, share: float) -> Run:
        intent = Intent.CLOSE_LONG if verdict is None else Intent.OPEN_LONG
        directive = _directive(Action.SELL if verdict is None else Action.BUY, share)
        built: OrderRequest | Check
        plan = _marketable(window, self._limits)
        if verdict is not None and verdict.stop_loss is None:
            built = Check(code="INDICATORS_COLD", passed=False)
        else:
            built = build_order(window, intent, verdict, plan, self._limits)
        if isinstance(built, Check):
            decision = _decision(window, self.analyst, Outcome.INVALID, built.code, directive)
            return Run(decision=decision, prompts={})
        code = "CLOSE" if intent.is_close else "OPEN"
        decision = _decision(window, self.analyst, Outcome.ORDERED, code, directive)
        decision = msgspec.structs.replace(
            decision, verdict=verdict, plan=plan, request=_plain(built)
        )
        return Run(decision=decision, prompts={})


def _directive(action: Action, share: float) -> Directive:
    return Directive(action=action, confidence=1.0, thesis=f"the policy wants {share:g} of equity")


def _verdict(window: Window, share: float, limits: Limits) -> Verdict:
    """Say the share as a fraction of the allowance, at the price that the order will be sent at."""
    atr = window.indicators.get(ATR)
    price = window.quote.ask
    if atr is None or atr <= 0:
        return Verdict(approved=True, size_fraction=0.0, reason="no average true range yet")
    beyond = 1 + _marketable(window, limits).limit_offset_bps / 10_000
    limit = price * beyond
    stop = max(limit - _NOMINAL * limits.stop_max_atr * atr, price * (1 - _NOMINAL))
    room = allowance(
        window.account,
        limits,
        instrument=window.instrument,
        price=to_decimal(limit),
        stop_price=to_decimal(stop),
    )
    wanted = to_decimal(share) * window.account.equity * to_decimal(beyond)
    fraction = float(min(Decimal(1), wanted / room)) if room > 0 else 0.0
    return Verdict(
        approved=True,
        size_fraction=fraction,
        reason="as the policy wants",
        stop_loss=stop,
        take_profit=price * 10,
    )


def _marketable(window: Window, limits: Limits) -> ExecutionPlan:
    """Return as near to a market order as the engine knows: a limit well beyond the quote."""
    atr = window.indicators.get(ATR) or 0.0
    room_bps = _OFFSET_ATR * limits.stop_max_atr * atr / window.quote.ask * 10_000
    offset_bps = min(_IN_COLLAR * limits.collar_bps, room_bps)
    return ExecutionPlan(style=ExecutionStyle.MARKETABLE, limit_offset_bps=offset_bps)


def _plain(request: OrderRequest) -> OrderRequest:
    """Leave the exits at home: a policy closes by itself, so no bracket rests at the venue."""
    is_bracket = request.order_class is not OrderClass.SIMPLE
    return (
        msgspec.structs.replace(
            request, order_class=OrderClass.SIMPLE, time_in_force=TimeInForce.DAY
        )
        if is_bracket
        else request
    )


def _decision(
    window: Window, analyst: str, outcome: Outcome, code: str, directive: Directive
) -> Decision:
    body = {
        "id": window.decision_id,
        "symbol": window.symbol,
        "window_digest": window.digest,
        "analyst": analyst,
        "outcome": outcome,
        "reason_code": code,
        "as_of": window.as_of,
        "graph_version": graph_version(),
        "ts_start": window.as_of,
        "ts_end": window.as_of,
    }
    return msgspec.structs.replace(parse(body, Decision), directive=directive)
