"""Answer briefs from the indicators alone: a trend-and-risk policy, deterministic, documented.

It is the embedded default that needs no key, and the baseline that every model is compared with.
`s` is the side, +1 long and -1 short; distances are in average true ranges (ATR) of the window;
`fast` and `slow` are the exponential averages over 12 and 26 bars, `hist` the MACD histogram, RSI,
ADX and ATR those over 14.

| Role | Question | Rule |
|---|---|---|
| director | Which side? | A vote each: s(fast - slow) > 0.1 ATR; s hist > 0; s(close - fast) > 0; |
| | | RSI in 50..72 (long), 28..50 (short). Open on four votes, or three with ADX >= 20; |
| | | short only where the limits allow it. Else hold. |
| | How sure? | 0.35 + 0.1 a vote + 0.25 min(1, ADX / 50). |
| | When out? | Held on side s, close when s(fast - slow) < -0.05 ATR, or when s hist < 0 with |
| | | s(close - slow) < 0, or when RSI > 80 (long), < 20 (short). |
| | Wrong at | fast - s 2 ATR. |
| quant | How good? | 0.35 min(1, s(fast - slow)/ATR) + 0.25 min(1, ADX/40) + 0.2 if s hist > 0 |
| | | + 0.2 min(1, room/2 ATR), room up to the next level; 1 beyond it. |
| | Confirmed? | No when volatility is extreme, when s(close - fast) > 2 ATR (stretched), when |
| | | RSI > 75 (long), < 25 (short), or when an indicator is unknown. |
| | Volatility | Mean range of the last 5 bars over that of all: < 0.6 low, < 1.6 normal, |
| | | < 2.6 high, else extreme. |
| | Levels | Support, resistance: lowest low, highest high of the last 20 bars but one. |
| risk | Stop | 0.25 ATR beyond the level behind if that is 1 to 3 ATR away, else 2 ATR; but |
| | | never nearer than 3 spreads, or noise would take it. |
| | Approved? | No when that stop is over 4.5 ATR away or the spread over half of |
| | | MAX_SPREAD_BPS; when today's loss is over half of MAX_DAILY_LOSS; when volatility is |
| | | high and confidence under 0.7; when the level ahead is nearer than MIN_REWARD_RISK |
| | | times the stop. |
| | Target | Twice the stop's distance. |
| | Size | Mean of score and confidence, half of it when volatility is high. |
| execution | Style | Closes marketable, 5 bps beyond the far side; opens too, 1 bp beyond it, |
| | | unless the spread is over 0.6 ATR: then passive at our own side. |

Sources: moving-average and MACD trend following as in Appel, "Technical Analysis: Power Tools for
Active Investors" (2005); RSI, ATR and ADX as in Wilder, "New Concepts in Technical Trading Systems"
(1978). The thresholds are conventions and not fitted to any data.
"""

# ruff: noqa: PLR2004 - the thresholds are the table above, and a name each would hide it

from __future__ import annotations

import hashlib
from math import fsum
from typing import Any, assert_never

import msgspec

from domain.decisions import Action, Answer, Brief, Call, ExecutionStyle, Role, Volatility
from domain.limits import Limits
from domain.market import Window
from domain.records import canonical, parse
from domain.risk.facts import ATR
from graph.routing import may_short

RULES = "rules"
POLICY = __doc__ or ""
POLICY_DIGEST = hashlib.sha256(POLICY.encode()).hexdigest()

_LEVEL_BARS = 20
_RECENT_BARS = 5
_UNKNOWN = "an indicator is unknown: too few bars were seen"


class Rules:
    """The policy of this module as an analyst."""

    @property
    def name(self) -> str:
        """Return what decisions record."""
        return RULES

    async def answer(self, brief: Brief) -> Answer:
        """Answer at once; the same brief always gets the same answer."""
        content = decide(brief)
        call = Call(
            role=brief.role,
            attempt=1,
            model=RULES,
            prompt_digest=POLICY_DIGEST,
            raw=canonical(content).decode(),
        )
        return Answer(content=content, calls=(call,))


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy reads of a window; distances of prices come in ATR through `in_atr`."""

    close: float
    fast: float
    slow: float
    hist: float
    rsi: float
    adx: float
    atr: float

    def in_atr(self, distance: float) -> float:
        """Return a price distance in average true ranges."""
        return distance / self.atr


def decide(brief: Brief) -> dict[str, Any]:
    """Answer a brief by the table above."""
    window: Window = brief.window
    seen = read(window)
    match brief.role:
        case Role.DIRECTOR:
            return _direct(window, seen)
        case Role.QUANT:
            return _quantify(brief, window, seen)
        case Role.RISK:
            return _weigh(brief, window, seen)
        case Role.EXECUTION:
            return _execute(brief, window, seen)
        case _:
            assert_never(brief.role)


def read(window: Window) -> Reading | None:
    """Read the indicators, or none while one of them is unknown."""
    names = ("ema_12", "ema_26", "macd_hist", "rsi_14", "adx_14", ATR)
    values = [window.indicators.get(name) for name in names]
    fast, slow, hist, rsi, adx, atr = values
    if fast is None or slow is None or hist is None or rsi is None or adx is None:
        return None
    if atr is None or atr <= 0:
        return None
    close = window.bars[-1].c
    return Reading(close=close, fast=fast, slow=slow, hist=hist, rsi=rsi, adx=adx, atr=atr)


def votes(seen: Reading, s: int) -> int:
    """Count what speaks for side `s`, 0 to 4."""
    low, high = (50.0, 72.0) if s > 0 else (28.0, 50.0)
    return sum(
        (
            s * seen.in_atr(seen.fast - seen.slow) > 0.1,
            s * seen.hist > 0,
            s * (seen.close - seen.fast) > 0,
            low <= seen.rsi <= high,
        )
    )


def volatility(window: Window) -> Volatility:
    """Compare the newest bars' mean range with the window's."""
    ranges = [bar.h - bar.l for bar in window.bars]
    usual = fsum(ranges) / len(ranges)
    newest = ranges[-_RECENT_BARS:]
    ratio = fsum(newest) / len(newest) / usual if usual > 0 else 1.0
    if ratio < 0.6:
        return Volatility.LOW
    if ratio < 1.6:
        return Volatility.NORMAL
    return Volatility.HIGH if ratio < 2.6 else Volatility.EXTREME


def levels(window: Window) -> tuple[float, float]:
    """Return support and resistance from the bars before the newest."""
    before = window.bars[-_LEVEL_BARS:-1] or window.bars
    return min(bar.l for bar in before), max(bar.h for bar in before)


def _direct(window: Window, seen: Reading | None) -> dict[str, Any]:
    if seen is None:
        return _directive(Action.HOLD, 0.0, _UNKNOWN)
    position = window.position
    held = 0 if position is None else (position.quantity > 0) - (position.quantity < 0)
    if held:
        return _stay_or_leave(seen, held)
    for s in (1, -1) if may_short(window) else (1,):
        count = votes(seen, s)
        if count == 4 or (count == 3 and seen.adx >= 20):
            return _open(seen, s, count)
    return _directive(Action.HOLD, 0.0, f"no side has the votes; {_numbers(seen)}")


def _open(seen: Reading, s: int, count: int) -> dict[str, Any]:
    action = Action.BUY if s > 0 else Action.SELL
    confidence = 0.35 + 0.1 * count + 0.25 * min(1.0, seen.adx / 50)
    wrong_at = seen.fast - s * 2 * seen.atr
    said = _directive(action, confidence, f"{count} of 4 votes to {action}; {_numbers(seen)}")
    return said | {"invalidation_price": wrong_at if wrong_at > 0 else None}


def _stay_or_leave(seen: Reading, s: int) -> dict[str, Any]:
    away = Action.SELL if s > 0 else Action.BUY
    if s * seen.in_atr(seen.fast - seen.slow) < -0.05:
        return _directive(away, 0.8, f"the averages crossed against us; {_numbers(seen)}")
    if s * seen.hist < 0 and s * (seen.close - seen.slow) < 0:
        return _directive(away, 0.7, f"momentum and price turned; {_numbers(seen)}")
    if (seen.rsi > 80) if s > 0 else (seen.rsi < 20):
        return _directive(away, 0.65, f"the move is exhausted; {_numbers(seen)}")
    return _directive(Action.HOLD, 0.6, f"the reason for the position stands; {_numbers(seen)}")


def _quantify(brief: Brief, window: Window, seen: Reading | None) -> dict[str, Any]:
    now = volatility(window)
    support, resistance = levels(window)
    said = {
        "confirmed": False,
        "score": 0.0,
        "support": support if support < resistance else None,
        "resistance": resistance if support < resistance else None,
        "volatility": now.value,
        "reason": _UNKNOWN,
    }
    if seen is None:
        return said
    s = _side(brief)
    against = _objection_of_quant(seen, s, now)
    score = _score(seen, s, resistance if s > 0 else support)
    reason = against or f"score {score:.2f}; {_numbers(seen)}"
    return said | {"confirmed": against is None, "score": score, "reason": reason}


def _objection_of_quant(seen: Reading, s: int, now: Volatility) -> str | None:
    if now is Volatility.EXTREME:
        return "volatility is extreme"
    stretched = s * seen.in_atr(seen.close - seen.fast)
    if stretched > 2:
        return f"the price is {stretched:.1f} ATR ahead of its average"
    if (seen.rsi > 75) if s > 0 else (seen.rsi < 25):
        return f"RSI is {seen.rsi:.0f}"
    return None


def _score(seen: Reading, s: int, level: float) -> float:
    room = s * seen.in_atr(level - seen.close)
    score = (
        0.35 * _clip(s * seen.in_atr(seen.fast - seen.slow))
        + 0.25 * _clip(seen.adx / 40)
        + (0.2 if s * seen.hist > 0 else 0.0)
        + 0.2 * (1.0 if room <= 0 else _clip(room / 2))
    )
    return round(score, 4)


def _weigh(brief: Brief, window: Window, seen: Reading | None) -> dict[str, Any]:
    assert brief.signal is not None
    if seen is None:
        return _verdict(reason=_UNKNOWN)
    s, signal = _side(brief), brief.signal
    entry = window.quote.ask if s > 0 else window.quote.bid
    behind, ahead = signal.support, signal.resistance
    if s < 0:
        behind, ahead = ahead, behind
    distance = _stop_distance(window, seen, s * seen.in_atr(entry - behind) if behind else 0.0)
    room = s * seen.in_atr(ahead - entry) if ahead else 0.0
    against = _objection_of_risk(brief, window, distance, room)
    if against is not None:
        return _verdict(reason=against)
    size = _size(brief)
    stop, target = (entry + s * times * distance * seen.atr for times in (-1, 2))
    return _verdict(reason=f"stop {distance:.2f} ATR away, size {size:.2f}") | {
        "approved": True,
        "size_fraction": size,
        "stop_loss": stop if stop > 0 else None,
        "take_profit": target if target > 0 else None,
    }


def _size(brief: Brief) -> float:
    assert brief.directive is not None
    assert brief.signal is not None
    size = (brief.signal.score + brief.directive.confidence) / 2
    return round(size / 2 if brief.signal.volatility is Volatility.HIGH else size, 4)


def _objection_of_risk(brief: Brief, window: Window, distance: float, room: float) -> str | None:
    limits = parse(window.limits, Limits)
    return (
        _cost(window, distance, limits)
        or _danger(brief, window, limits)
        or _too_near(room, distance, limits)
    )


def _cost(window: Window, distance: float, limits: Limits) -> str | None:
    """Object to a spread that forces the stop too far away, or that is wide in itself."""
    if distance > 4.5:
        return f"the spread asks for a stop {distance:.2f} ATR away"
    if window.quote.spread_bps > limits.max_spread_bps / 2:
        return f"the spread is {window.quote.spread_bps:.1f} bps"
    return None


def _danger(brief: Brief, window: Window, limits: Limits) -> str | None:
    """Object to a bad day, and to a doubtful trade in a wild market."""
    assert brief.directive is not None
    assert brief.signal is not None
    account = window.account
    if float(account.day_pnl) < -limits.max_daily_loss / 2 * float(account.equity):
        return f"today's result is {account.day_pnl}"
    is_wild = brief.signal.volatility in {Volatility.HIGH, Volatility.EXTREME}
    if is_wild and brief.directive.confidence < 0.7:
        return f"volatility is {brief.signal.volatility}, confidence under 0.7"
    return None


def _too_near(room: float, distance: float, limits: Limits) -> str | None:
    """Object when a level stands between the price and the least reward, in ATR."""
    least = distance * limits.min_reward_risk
    if 0 < room < least:
        return f"a level {room:.2f} ATR ahead leaves less than the {least:.2f} asked"
    return None


def _stop_distance(window: Window, seen: Reading, behind: float) -> float:
    """Return how far from the entry the stop stands, in ATR; `behind` is how far the level is."""
    distance = behind + 0.25 if 1.0 <= behind + 0.25 <= 3.0 else 2.0
    return max(distance, 3 * seen.in_atr(window.quote.ask - window.quote.bid))


def _execute(brief: Brief, window: Window, seen: Reading | None) -> dict[str, Any]:
    if brief.intent is not None and brief.intent.is_close:
        return {"style": ExecutionStyle.MARKETABLE.value, "limit_offset_bps": 5.0}
    spread = window.quote.ask - window.quote.bid
    if seen is not None and seen.in_atr(spread) > 0.6:
        return {"style": ExecutionStyle.PASSIVE.value, "limit_offset_bps": 0.0}
    return {"style": ExecutionStyle.MARKETABLE.value, "limit_offset_bps": 1.0}


def _directive(action: Action, confidence: float, thesis: str) -> dict[str, Any]:
    return {
        "action": action.value,
        "confidence": round(confidence, 4),
        "thesis": thesis,
        "invalidation_price": None,
    }


def _verdict(*, reason: str) -> dict[str, Any]:
    return {
        "approved": False,
        "size_fraction": 0.0,
        "stop_loss": None,
        "take_profit": None,
        "reason": reason,
    }


def _side(brief: Brief) -> int:
    assert brief.directive is not None
    return 1 if brief.directive.action is Action.BUY else -1


def _numbers(seen: Reading) -> str:
    return (
        f"close {seen.close:.6g}, fast {seen.fast:.6g}, slow {seen.slow:.6g}, "
        f"hist {seen.hist:.3g}, RSI {seen.rsi:.0f}, ADX {seen.adx:.0f}, ATR {seen.atr:.3g}"
    )


def _clip(value: float) -> float:
    return max(0.0, min(1.0, value))
