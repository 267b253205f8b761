"""Say each limit as one small question; `CHECKS` is the list, in the order people read it.

A check returns whether the order passes, the value found and the limit it met. It may read only
through the `need` functions, which refuse what is missing, negative or not a number: a check that
cannot be answered fails (`_ask`), with its own code.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from domain.account import daily_loss, drawdown
from domain.decisions import Check
from domain.limits import BINDS, Code, Limits, TradingState, seconds
from domain.market import AssetClass, SessionPhase, asset_class_of
from domain.orders import OrderRequest, Side, broken_rule, is_whole
from domain.records import parse_ns
from domain.risk.facts import Facts
from domain.risk.form import malformed, purpose_of
from domain.risk.inputs import (
    need,
    need_amount,
    need_count,
    need_dollars,
    need_float,
    need_instrument,
    need_limit,
    need_quote,
    need_share,
)
from domain.risk.measures import (
    equity_share,
    in_seconds,
    in_usd,
    notional_of,
    price_of,
    stop_distance,
    stop_value,
)

Finding = tuple[bool, str, str]
CheckFunction = Callable[[OrderRequest, Facts, Limits], Finding]

SHORT_CHARGE = Decimal("1.03")
"""The venue charges a short sale at the limit or 3 % above the ask, whichever is more."""


def run(request: OrderRequest, facts: Facts, limits: Limits) -> tuple[Check, ...]:
    """Ask every question that binds the order's purpose, in the order of the list."""
    purpose = purpose_of(request)
    if purpose is None:
        leg = f"leg is {request.leg!r}"
        return (Check(code=Code.PRECISION, passed=False, value=leg, limit="well formed"),)
    binding = _BINDING[purpose]
    return tuple(_ask(code, check, request, facts, limits) for code, check in binding)


def _ask(
    code: Code, check: CheckFunction, request: OrderRequest, facts: Facts, limits: Limits
) -> Check:
    """Ask one question; whatever cannot be answered is a failed check."""
    try:
        passed, value, limit = check(request, facts, limits)
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        passed, value, limit = False, f"unreadable: {error}", ""
    return Check(code=code, passed=passed, value=value, limit=limit)


def _is_young(age_ns: int | None, limit_s: float, name: str) -> Finding:
    age = need_count(age_ns, name)
    limit = seconds(limit_s)
    return age <= limit, in_seconds(age), in_seconds(limit)


def _trading_halted(_: OrderRequest, facts: Facts, __: Limits) -> Finding:
    if facts.account.is_blocked is not False:
        return False, "the venue blocks the account", ""
    state = facts.trading_state
    return state in {TradingState.ACTIVE, TradingState.REDUCING}, str(state), "active or reducing"


def _reduce_only(_: OrderRequest, facts: Facts, __: Limits) -> Finding:
    if facts.is_symbol_reducing is not False:
        return False, "the symbol is reducing", "active"
    return facts.trading_state is TradingState.ACTIVE, str(facts.trading_state), "active"


def _not_reconciled(_: OrderRequest, facts: Facts, __: Limits) -> Finding:
    if facts.account.has_unknown_order is not False:
        return False, "an order of this symbol has an unknown outcome", ""
    return facts.is_reconciled is True, f"reconciled: {facts.is_reconciled}", ""


def _journal_down(_: OrderRequest, facts: Facts, __: Limits) -> Finding:
    return facts.is_journal_up is True, f"journal up: {facts.is_journal_up}", ""


def _feed_stale(_: OrderRequest, facts: Facts, __: Limits) -> Finding:
    return facts.is_link_up is True, f"link up: {facts.is_link_up}", ""


def _market_closed(_: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    if facts.is_symbol_halted is not False:
        return False, "the symbol is halted by its market", "trading"
    if facts.phase is SessionPhase.ALWAYS:
        return True, "always open", ""
    if facts.phase is not SessionPhase.OPEN:
        return False, str(facts.phase), "open"
    since = need_count(facts.since_open_ns, "the time since the open")
    until = need_count(facts.to_close_ns, "the time to the close")
    delay = seconds(need_limit(limits, "open_delay_s"))
    cutoff = seconds(need_limit(limits, "close_cutoff_s"))
    value = f"{in_seconds(since)} after the open, {in_seconds(until)} before the close"
    return since >= delay and until >= cutoff, value, f"{in_seconds(delay)}, {in_seconds(cutoff)}"


def _symbol_not_allowed(request: OrderRequest, facts: Facts, _: Limits) -> Finding:
    return request.symbol in facts.allowed_symbols, request.symbol, "TRADING_SYMBOLS"


def _asset_not_tradable(request: OrderRequest, facts: Facts, _: Limits) -> Finding:
    rules = need_instrument(facts)
    is_it = rules.symbol == request.symbol
    is_it = is_it and rules.asset_class is asset_class_of(request.symbol)
    is_it = is_it and isinstance(rules.fractionable, bool) and isinstance(rules.shortable, bool)
    steps = (need_amount(rules.tick, "the tick"), need_amount(rules.lot, "the lot"))
    value = f"{rules.symbol} tradable: {rules.tradable}, tick {rules.tick}, lot {rules.lot}"
    return rules.tradable is True and is_it and min(steps) > 0, value, ""


def _precision(request: OrderRequest, facts: Facts, _: Limits) -> Finding:
    broken = malformed(request) or broken_rule(request, need_instrument(facts))
    return broken is None, broken or "well formed", ""


def _crosses_zero(request: OrderRequest, facts: Facts, _: Limits) -> Finding:
    """Let an exit close no more than what is left after every other order that closes."""
    view = facts.account
    held = need(view.position_quantity, "the position")
    is_sell = request.side is Side.SELL
    pending = view.pending_sell if is_sell else view.pending_buy
    closing = need_amount(pending, "what is closing already")
    closable = max(Decimal(0), -held * request.side.sign - closing)
    quantity = need_amount(request.quantity, "the quantity")
    return 0 < quantity <= closable, f"{request.side} {quantity}", f"{closable} of {held}"


def _quote_missing(request: OrderRequest, facts: Facts, _: Limits) -> Finding:
    quote = need_quote(facts)
    is_ours = getattr(quote, "symbol", request.symbol) == request.symbol
    return is_ours and quote.bid <= quote.ask, f"{quote.bid} / {quote.ask}", "bid at most ask"


def _quote_stale(_: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    """Refuse a quote grown old, and one stamped further ahead than clocks may differ."""
    stamp = need_quote(facts).ts_event
    stamp_ns = need_count(parse_ns(stamp) if isinstance(stamp, str) else stamp, "the quote's time")
    ahead = stamp_ns - need_count(facts.now_ns, "the time")
    if ahead > seconds(need_limit(limits, "max_skew_s")):
        return False, f"stamped {in_seconds(ahead)} ahead of now", "not in the future"
    return _is_young(facts.quote_age_ns, need_limit(limits, "quote_max_age_s"), "the quote's age")


def _spread_too_wide(_: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    spread = need_float(need_quote(facts).spread_bps, "the spread")
    limit = need_limit(limits, "max_spread_bps")
    return spread <= limit, f"{spread:.1f} bps on {facts.feed or 'the feed'}", f"{limit:.1f} bps"


def _clock_skew(_: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    skew = facts.skew_ns
    return _is_young(
        None if skew is None else abs(skew), need_limit(limits, "max_skew_s"), "the clock skew"
    )


def _decision_stale(request: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    if parse_ns(request.valid_until) < need_count(facts.now_ns, "the time"):
        return False, f"now is past {request.valid_until}", request.valid_until
    return _is_young(
        facts.decision_age_ns, need_limit(limits, "decision_max_age_s"), "the decision's age"
    )


def _price_moved(_: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    then = need_float(facts.window_mid, "the window's mid price")
    asked = need_float(facts.venue_mid, "the venue's mid price when asked")
    now = max(need_quote(facts).mid, asked, key=lambda mid: abs(mid - then))
    moved = abs(now - then) / then * 10_000
    limit = need_limit(limits, "max_price_move_bps")
    return moved <= limit, f"{moved:.1f} bps", f"{limit:.1f} bps"


def _price_outside_collar(request: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    quote = need_quote(facts)
    if request.limit_price is None:
        return True, f"{request.order_type} without a limit price", ""
    width = need_limit(limits, "collar_bps") / 10_000
    low, high = quote.bid * (1 - width), quote.ask * (1 + width)
    price = float(price_of(request))
    return low <= price <= high, f"{request.limit_price}", f"{low:.6g} to {high:.6g}"


def _account_stale(_: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    return _is_young(
        facts.account.age_ns, need_limit(limits, "account_max_age_s"), "the account's age"
    )


def _foreign_position(request: OrderRequest, facts: Facts, _: Limits) -> Finding:
    return facts.is_foreign is False, f"{request.symbol} is held by others: {facts.is_foreign}", ""


def _duplicate_order(request: OrderRequest, facts: Facts, _: Limits) -> Finding:
    """Allow one entry a symbol: none known by this name, none in flight, nothing held but dust."""
    view = facts.account
    if view.is_known_order is not False:
        return False, f"{request.client_order_id} was seen before", ""
    entries = need_count(view.pending_entries, "the entries in flight")
    held = need(view.position_quantity, "the position")
    least = need_amount(need_instrument(facts).min_notional, "the least notional")
    is_dust = abs(held) * price_of(request) < least and held * request.side.sign >= 0
    is_free = entries == 0 and (held == 0 or is_dust)
    return is_free, f"{entries} entries in flight, {held} held", "0 and none but dust"


def _short_not_allowed(request: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    if request.side is Side.BUY:
        return True, "buy", ""
    rules = need_instrument(facts)
    if rules.asset_class is AssetClass.CRYPTO or not is_whole(request.quantity):
        return False, f"sell {request.quantity} {request.symbol}", "whole shares"
    may = (limits.allow_short, rules.shortable, facts.account.shorting_enabled)
    value = f"ALLOW_SHORT: {may[0]}, shortable: {may[1]}, account: {may[2]}"
    return all(flag is True for flag in may), value, "all true"


def _stop_on_wrong_side(request: OrderRequest, _: Facts, __: Limits) -> Finding:
    value = f"{request.side} at {price_of(request)}, stop {request.stop_loss}"
    return stop_distance(request) > 0, value, "on the losing side"


def _stop_distance(request: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    atr = need_float(facts.atr, "the average true range")
    ranges = float(stop_distance(request)) / atr
    low = need_limit(limits, "stop_min_atr")
    high = need_limit(limits, "stop_max_atr")
    return low <= ranges <= high, f"{ranges:.2f} ATR", f"{low:g} to {high:g} ATR"


def _reward_too_small(request: OrderRequest, _: Facts, limits: Limits) -> Finding:
    target = need_amount(request.take_profit, "the target")
    reward = (target - price_of(request)) * request.side.sign
    least = need_share(limits, "min_reward_risk")
    ratio = reward / stop_distance(request)
    return reward > 0 and ratio >= least, f"{ratio:.2f}", f"{least}"


def _daily_loss_reached(_: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    equity = need_amount(facts.account.equity, "equity")
    start = need_amount(equity - need(facts.day_pnl, "the day's result"), "the day's start")
    loss = daily_loss(start, equity)
    limit = start * need_share(limits, "max_daily_loss")
    return loss < limit, in_usd(loss), in_usd(limit)


def _drawdown_reached(_: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    peak = need_amount(facts.peak_equity, "the peak equity")
    fall = drawdown(peak, need_amount(facts.account.equity, "equity"))
    limit = need_share(limits, "max_drawdown")
    return fall < limit, f"{fall:.4f}", f"{limit}"


def _notional_below_min(request: OrderRequest, facts: Facts, _: Limits) -> Finding:
    rules, notional = need_instrument(facts), notional_of(request)
    least = need_amount(rules.min_notional, "the least notional")
    fewest = need_amount(rules.min_quantity, "the least quantity")
    covered = min(notional, stop_value(request, rules))
    passed = notional > 0 and covered >= least and request.quantity >= fewest
    return passed, f"{request.quantity} for {in_usd(covered)}", f"{fewest} for {in_usd(least)}"


def _notional_exceeds_max(request: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    notional, limit = notional_of(request), need_dollars(limits, "max_order_amount")
    venue = need_instrument(facts).max_notional
    if venue is not None:
        limit = min(limit, need_amount(venue, "the venue's largest order"))
    return notional <= limit, in_usd(notional), in_usd(limit)


def _risk_exceeds_max(request: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    risk = need_amount(stop_distance(request), "the stop's distance") * request.quantity
    limit = equity_share(facts, limits, "max_risk_per_trade")
    return risk <= limit, in_usd(risk), in_usd(limit)


def _position_limit(request: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    held = need_amount(facts.account.symbol_exposure, "the symbol's exposure")
    after = held + notional_of(request)
    limit = equity_share(facts, limits, "max_position_fraction")
    return after <= limit, in_usd(after), in_usd(limit)


def _exposure_limit(request: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    after = need_amount(facts.account.exposure, "the exposure") + notional_of(request)
    limit = equity_share(facts, limits, "max_exposure_fraction")
    return after <= limit, in_usd(after), in_usd(limit)


def _buying_power(request: OrderRequest, facts: Facts, _: Limits) -> Finding:
    charge = notional_of(request)
    if request.side is Side.SELL:
        ask = Decimal(repr(float(need_quote(facts).ask)))
        charge = max(charge, ask * SHORT_CHARGE * request.quantity)
    power = need_amount(facts.account.buying_power, "the buying power")
    return charge <= power, in_usd(charge), in_usd(power)


def _open_orders(_: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    count = need_count(facts.account.open_orders, "the open orders")
    limit = need_limit(limits, "max_open_orders")
    return count < limit, f"{count}", f"{limit}"


def _order_rate(_: OrderRequest, facts: Facts, limits: Limits) -> Finding:
    count = need_count(facts.orders_last_minute, "the orders of the last minute")
    limit = need_limit(limits, "max_orders_per_minute")
    return count < limit, f"{count}", f"{limit}"


CHECKS: tuple[tuple[Code, CheckFunction], ...] = (
    (Code.TRADING_HALTED, _trading_halted),
    (Code.REDUCE_ONLY, _reduce_only),
    (Code.NOT_RECONCILED, _not_reconciled),
    (Code.JOURNAL_DOWN, _journal_down),
    (Code.FEED_STALE, _feed_stale),
    (Code.MARKET_CLOSED, _market_closed),
    (Code.SYMBOL_NOT_ALLOWED, _symbol_not_allowed),
    (Code.ASSET_NOT_TRADABLE, _asset_not_tradable),
    (Code.PRECISION, _precision),
    (Code.CROSSES_ZERO, _crosses_zero),
    (Code.QUOTE_MISSING, _quote_missing),
    (Code.QUOTE_STALE, _quote_stale),
    (Code.SPREAD_TOO_WIDE, _spread_too_wide),
    (Code.CLOCK_SKEW, _clock_skew),
    (Code.DECISION_STALE, _decision_stale),
    (Code.PRICE_MOVED, _price_moved),
    (Code.PRICE_OUTSIDE_COLLAR, _price_outside_collar),
    (Code.ACCOUNT_STALE, _account_stale),
    (Code.FOREIGN_POSITION, _foreign_position),
    (Code.DUPLICATE_ORDER, _duplicate_order),
    (Code.SHORT_NOT_ALLOWED, _short_not_allowed),
    (Code.STOP_ON_WRONG_SIDE, _stop_on_wrong_side),
    (Code.STOP_DISTANCE, _stop_distance),
    (Code.REWARD_TOO_SMALL, _reward_too_small),
    (Code.DAILY_LOSS_REACHED, _daily_loss_reached),
    (Code.DRAWDOWN_REACHED, _drawdown_reached),
    (Code.NOTIONAL_BELOW_MIN, _notional_below_min),
    (Code.NOTIONAL_EXCEEDS_MAX, _notional_exceeds_max),
    (Code.RISK_EXCEEDS_MAX, _risk_exceeds_max),
    (Code.POSITION_LIMIT_EXCEEDED, _position_limit),
    (Code.EXPOSURE_LIMIT_EXCEEDED, _exposure_limit),
    (Code.BUYING_POWER_EXCEEDED, _buying_power),
    (Code.OPEN_ORDERS_LIMIT, _open_orders),
    (Code.ORDER_RATE_EXCEEDED, _order_rate),
)

_BINDING = {
    purpose: tuple((code, check) for code, check in CHECKS if code in codes)
    for purpose, codes in BINDS.items()
}
