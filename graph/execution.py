"""The Execution agent: whether to wait at our side of the spread or to take the other.

Its answer is a style and an offset. Everything that is money (price, quantity, exits) is worked out
by `domain.pricing` and held against every limit by `domain.risk.preview`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from pydantic import Field

from domain.decisions import (
    Brief,
    Check,
    ExecutionPlan,
    ExecutionStyle,
    Intent,
    Outcome,
    Role,
    Verdict,
)
from domain.limits import Code, Limits, seconds
from domain.market import AssetClass, Instrument, Window
from domain.orders import (
    Leg,
    OrderClass,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
    client_order_id,
    entry_terms,
)
from domain.pricing import (
    allowance,
    default_stop,
    default_target,
    floor_quantity,
    limit_price,
    must_be_whole,
    round_price,
    size,
    to_decimal,
    to_price,
)
from domain.records import format_ns, parse_ns, plain
from domain.risk import facts_of_window, preview
from domain.risk.facts import ATR
from graph.agent import Agent, ModelAnswer, ask, brief_of, validated, with_calls
from graph.analysts import prompts
from graph.routing import ended
from graph.state import Context, State, window_of

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

MAX_OFFSET_BPS = 50.0

# What goes out for a close when the agent abstains: over the spread at once, a little further for
# certainty. A position that should be closed never waits for a model.
DEFAULT_CLOSE = ExecutionPlan(style=ExecutionStyle.MARKETABLE, limit_offset_bps=5.0)

# What may have changed by the time an order reaches the gateway, which asks again on fresh facts:
# the graph notes it and lets the gateway say no. All other codes speak of the order itself.
CIRCUMSTANCES = frozenset(
    {
        Code.TRADING_HALTED,
        Code.REDUCE_ONLY,
        Code.NOT_RECONCILED,
        Code.JOURNAL_DOWN,
        Code.FEED_STALE,
        Code.MARKET_CLOSED,
        Code.QUOTE_STALE,
        Code.SPREAD_TOO_WIDE,
        Code.CLOCK_SKEW,
        Code.DECISION_STALE,
        Code.PRICE_MOVED,
        Code.ACCOUNT_STALE,
        Code.FOREIGN_POSITION,
        Code.DAILY_LOSS_REACHED,
        Code.DRAWDOWN_REACHED,
        Code.OPEN_ORDERS_LIMIT,
        Code.ORDER_RATE_EXCEEDED,
    }
)
# A bad exit also breaks the form of a bracket (`PRECISION`); its own code says more.
_TELLING = (Code.STOP_ON_WRONG_SIDE, Code.STOP_DISTANCE, Code.REWARD_TOO_SMALL)

PROMPT = f"""You are the Execution trader of a trading desk. The trade below is decided.
Choose how its limit order meets the market; code sets price, quantity and everything else.
- style "passive" waits at our side of the spread and may not fill; "marketable" takes the other
  side now.
- limit_offset_bps moves the price: positive towards the other side (fills more surely), negative
  away from it; between -{MAX_OFFSET_BPS:g} and {MAX_OFFSET_BPS:g}, usually 0 to 5.
An order lives for seconds only. A wide spread speaks for passive, a fast market or a close for
marketable.
{prompts.DATA_NOTICE}
Answer with one JSON object with exactly these keys:
style ("passive" or "marketable"), limit_offset_bps (number)."""

SHORT = """You are the Execution trader of a trading desk. Answer in JSON: style passive (wait) or
marketable (trade now), limit_offset_bps 0 to 5."""

SCHEMA: dict[str, Any] = {
    "title": "execution_plan",
    "description": "How the limit order meets the market.",
    "type": "object",
    "properties": {
        "style": {"type": "string", "enum": ["passive", "marketable"]},
        "limit_offset_bps": {
            "type": "number",
            "minimum": -MAX_OFFSET_BPS,
            "maximum": MAX_OFFSET_BPS,
        },
    },
    "required": ["style", "limit_offset_bps"],
    "additionalProperties": False,
}


class ExecutionAnswer(ModelAnswer):
    """What the Execution agent may say."""

    style: Literal["passive", "marketable"]
    limit_offset_bps: Annotated[float, Field(ge=-MAX_OFFSET_BPS, le=MAX_OFFSET_BPS)]


def render(brief: Brief) -> str:
    """Show the Execution agent the trade, the spread and the instrument's rules."""
    window: Window = brief.window
    rules = window.instrument
    shown = [prompts.market(window), prompts.position(window)]
    if brief.directive is not None:
        is_close = brief.intent is not None and brief.intent.is_close
        shown.append(f"to do: {brief.directive.action}, {'close' if is_close else 'open'}")
    if brief.signal is not None:
        shown.append(f"volatility: {brief.signal.volatility}")
    if brief.verdict is not None:
        shown.append(prompts.verdict(brief.verdict, window))
    shown.append(f"tick {prompts.money(rules.tick)}, lot {prompts.money(rules.lot)}")
    return "\n\n".join(shown)


def read(content: dict[str, Any], _: Brief) -> ExecutionPlan:
    """Read the Execution agent's answer; raises `InvalidAnswer`."""
    said = validated(ExecutionAnswer, content)
    return ExecutionPlan(**{**said, "style": ExecutionStyle(said["style"])})


EXECUTION = Agent(
    role=Role.EXECUTION, prompt=PROMPT, short=SHORT, schema=SCHEMA, render=render, read=read
)


async def execute(state: State, runtime: Runtime[Context]) -> State:
    """Ask how to trade, build the order, and hold it against the limits; nothing is sent."""
    window = window_of(state)
    brief = brief_of(Role.EXECUTION, state, window)
    intent = brief.intent
    assert intent is not None
    heard = await ask(EXECUTION, brief, runtime.context)
    known = State(calls=with_calls(state, heard.calls))
    if heard.answer is not None:
        plan = heard.answer
    elif intent.is_close:
        plan = DEFAULT_CLOSE
    else:
        return known | ended(Outcome.ABSTAINED, heard.code)
    known |= State(plan=plain(plan))
    return known | _ordered(window, intent, brief.verdict, plan)


class _Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is settled before sizing: which way, at which limit price, and within which limits."""

    window: Window
    limits: Limits
    side: Side
    style: ExecutionStyle
    price: Decimal

    @property
    def rules(self) -> Instrument:
        """Return the instrument's rules."""
        return self.window.instrument


def build_order(
    window: Window, intent: Intent, verdict: Verdict | None, plan: ExecutionPlan, limits: Limits
) -> OrderRequest | Check:
    """Turn what was decided into one order, or into the check that says why there is none.

    A close is the whole position; an open is sized to the allowance, with both exits set. A close
    never waits at a price: the stop has made way for it, so a passive plan becomes the default.
    """
    if intent.is_close and plan.style is ExecutionStyle.PASSIVE:
        plan = DEFAULT_CLOSE
    side = Side.BUY if intent in {Intent.OPEN_LONG, Intent.CLOSE_SHORT} else Side.SELL
    price = limit_price(
        side=side,
        quote=window.quote,
        style=plan.style,
        offset_bps=plan.limit_offset_bps,
        collar_bps=limits.collar_bps,
        instrument=window.instrument,
    )
    terms = _Terms(window=window, limits=limits, side=side, style=plan.style, price=price)
    if intent.is_close:
        return _closing(terms)
    assert verdict is not None
    return _opening(terms, verdict)


def _ordered(window: Window, intent: Intent, verdict: Verdict | None, plan: ExecutionPlan) -> State:
    facts, limits = facts_of_window(window)
    request = build_order(window, intent, verdict, plan, limits)
    if isinstance(request, Check):
        return State(checks=[plain(request)]) | ended(Outcome.INVALID, request.code)
    checks = preview(request, facts, limits)
    known = State(request=plain(request), checks=plain(list(checks)))
    failed = _failed(checks)
    if failed is not None:
        return known | ended(Outcome.INVALID, failed)
    return known | ended(Outcome.ORDERED, "CLOSE" if intent.is_close else "OPEN")


def _failed(checks: tuple[Check, ...]) -> Code | None:
    """Return the code that says best what is wrong with the order itself, or none."""
    failed = [Code(check.code) for check in checks if not check.passed]
    failed = [code for code in failed if code not in CIRCUMSTANCES]
    return next((code for code in _TELLING if code in failed), failed[0] if failed else None)


def _opening(terms: _Terms, verdict: Verdict) -> OrderRequest | Check:
    stop = _stop(terms, verdict)
    if stop is None:
        return Check(code=Code.STOP_DISTANCE, passed=False, value="no average true range")
    quantity = _quantity(terms, stop, verdict.size_fraction)
    if quantity == 0:
        least = f"{terms.rules.min_notional} USD"
        return Check(code=Code.NOTIONAL_BELOW_MIN, passed=False, value="0", limit=least)
    order_class, time_in_force = entry_terms(quantity, terms.rules)
    if time_in_force is TimeInForce.IOC and terms.style is ExecutionStyle.PASSIVE:
        # An order that may not wait cannot be passive; the engine cancels it at ENTRY_TTL.
        time_in_force = TimeInForce.GTC
    return _request(
        terms,
        leg=Leg.ENTRY,
        quantity=quantity,
        time_in_force=time_in_force,
        order_class=order_class,
        stop_loss=stop,
        take_profit=_target(terms, stop, verdict),
    )


def _closing(terms: _Terms) -> OrderRequest:
    """Close the whole position; fractions need a DAY order, and crypto knows none."""
    position = terms.window.position
    assert position is not None
    is_crypto = terms.window.asset_class is AssetClass.CRYPTO
    time_in_force = TimeInForce.IOC if is_crypto else TimeInForce.DAY
    return _request(
        terms, leg=Leg.REDUCE, quantity=abs(position.quantity), time_in_force=time_in_force
    )


def _stop(terms: _Terms, verdict: Verdict) -> Decimal | None:
    """Return the Risk agent's stop, never nearer than it said, or code's own."""
    if verdict.stop_loss is not None:
        direction: Literal["up", "down"] = "down" if terms.side is Side.BUY else "up"
        return round_price(to_decimal(verdict.stop_loss), terms.rules, direction)
    atr = terms.window.indicators.get(ATR)
    if atr is None or atr <= 0:
        return None
    return default_stop(terms.side, terms.price, atr, terms.rules, terms.limits.stop_default_atr)


def _target(terms: _Terms, stop: Decimal, verdict: Verdict) -> Decimal:
    if verdict.take_profit is not None:
        direction: Literal["up", "down"] = "up" if terms.side is Side.BUY else "down"
        return round_price(to_decimal(verdict.take_profit), terms.rules, direction)
    ratio = terms.limits.target_default_reward_risk
    return default_target(terms.side, terms.price, stop, terms.rules, ratio)


def _quantity(terms: _Terms, stop: Decimal, fraction: float) -> Decimal:
    """Size an entry: in whole shares wherever one fits, because only those get a bracket."""
    rules = terms.rules
    allowed = allowance(
        terms.window.account,
        terms.limits,
        instrument=rules,
        price=terms.price,
        stop_price=stop,
    )
    is_whole = must_be_whole(rules, side=terms.side, order_class=OrderClass.SIMPLE)
    quantity = size(fraction, allowed, terms.price, rules, whole=is_whole)
    if rules.asset_class is AssetClass.STOCK and quantity >= 1:
        return floor_quantity(quantity, rules, whole=True)
    return quantity


def _request(terms: _Terms, **chosen: Any) -> OrderRequest:
    window = terms.window
    until = parse_ns(window.as_of) + seconds(terms.limits.decision_max_age_s)
    return OrderRequest(
        decision_id=window.decision_id,
        symbol=window.symbol,
        side=terms.side,
        order_type=OrderType.LIMIT,
        limit_price=terms.price,
        reference_price=to_price(window.quote.mid, window.instrument),
        valid_until=format_ns(until),
        client_order_id=client_order_id(window.decision_id, chosen["leg"], 1),
        **chosen,
    )
