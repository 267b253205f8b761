"""The embedded policy, row by row of its table."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.decisions import Role
from domain.limits import Limits
from domain.market import Window
from graph.agent import brief_of
from graph.analysts.model.conversation import AGENTS
from graph.analysts.rules import POLICY, Rules, decide, volatility
from tests.unit.graph.conftest import (
    BUY,
    CONFIRMED,
    SELL,
    instrument,
    long_position,
    make_window,
    rising_bars,
)

FALLING = {"ema_12": 230.1, "ema_26": 230.6, "macd_hist": -0.05, "rsi_14": 38.0}
SHORTS = Limits(allow_short=True)
SIGNAL = {**CONFIRMED, "support": 229.7, "resistance": 230.96}


def ask(role: Role, window: Window, **said: Any) -> dict[str, Any]:
    told = {"directive": BUY, "signal": SIGNAL} | said
    brief = brief_of(role, told, window)
    answer = decide(brief)
    AGENTS[role].read(answer, brief)  # it passes its own door
    return answer


def test_an_uptrend_is_bought_with_its_numbers_in_the_thesis() -> None:
    """Four votes; the confidence follows from votes and trend strength."""
    said = ask(Role.DIRECTOR, make_window())
    assert said["action"] == "buy"
    assert said["confidence"] == pytest.approx(0.35 + 0.4 + 0.25 * 30 / 50)
    assert "4 of 4 votes" in said["thesis"]
    assert said["invalidation_price"] == pytest.approx(230.6 - 2 * 0.5)


def test_a_downtrend_is_sold_short_only_where_that_is_allowed() -> None:
    """Otherwise it is a hold, not an order that must be refused."""
    down: dict[str, Any] = {"indicators": FALLING, "bars": rising_bars(229.5, step=-0.04)}
    down["quote"] = (229.7, 229.74)
    assert ask(Role.DIRECTOR, make_window(**down))["action"] == "hold"
    said = ask(Role.DIRECTOR, make_window(limits=SHORTS, **down))
    assert said["action"] == "sell"
    assert said["invalidation_price"] == pytest.approx(230.1 + 2 * 0.5)


@pytest.mark.parametrize(("adx", "action"), [(19.9, "hold"), (20.0, "buy")])
def test_three_votes_need_a_trend(adx: float, action: str) -> None:
    """With momentum against it, an open needs ADX at 20."""
    window = make_window(indicators={"macd_hist": -0.01, "adx_14": adx})
    assert ask(Role.DIRECTOR, window)["action"] == action


@pytest.mark.parametrize("name", ["ema_12", "ema_26", "macd_hist", "rsi_14", "adx_14", "atr_14"])
def test_an_unknown_indicator_holds_and_confirms_nothing(name: str) -> None:
    """Too few bars, or a flat market: no vote is guessed."""
    window = make_window(indicators={name: None})
    assert ask(Role.DIRECTOR, window)["action"] == "hold"
    assert ask(Role.QUANT, window)["confirmed"] is False
    assert ask(Role.RISK, window)["approved"] is False


@pytest.mark.parametrize(
    ("indicators", "action"),
    [
        ({}, "hold"),
        ({"ema_12": 230.0, "ema_26": 230.6}, "sell"),
        ({"macd_hist": -0.1, "ema_12": 231.7, "ema_26": 231.6}, "sell"),
        ({"macd_hist": -0.1}, "hold"),
        ({"rsi_14": 81.0}, "sell"),
    ],
)
def test_a_long_is_kept_until_its_reason_is_gone(indicators: dict[str, float], action: str) -> None:
    """Crossed averages, turned momentum with price, exhaustion."""
    window = make_window(indicators=indicators, position=long_position())
    assert ask(Role.DIRECTOR, window)["action"] == action


def test_a_short_is_bought_back_when_the_trend_is_up() -> None:
    """The mirror of the long's exit."""
    window = make_window(position=long_position("-3"), limits=SHORTS)
    assert ask(Role.DIRECTOR, window)["action"] == "buy"


def test_the_quant_scores_what_the_table_says() -> None:
    """0.35 for the averages, 0.25 for ADX, 0.2 for momentum, 0.2 for room: here a breakout."""
    said = ask(Role.QUANT, make_window())
    expected = 0.35 * 1.0 + 0.25 * 30 / 40 + 0.2 + 0.2
    assert said["confirmed"] is True
    assert said["score"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("indicators", "reason"),
    [
        ({"ema_12": 229.9}, "ahead of its average"),
        ({"rsi_14": 76.0}, "RSI is 76"),
    ],
)
def test_the_quant_objects_to_a_stretched_price(indicators: dict[str, float], reason: str) -> None:
    """A good trend at a bad moment."""
    said = ask(Role.QUANT, make_window(indicators=indicators))
    assert said["confirmed"] is False
    assert reason in said["reason"]


@pytest.mark.parametrize(
    ("factor", "word"), [(0.3, "low"), (1.0, "normal"), (2.0, "high"), (4.0, "extreme")]
)
def test_volatility_compares_the_newest_bars_with_all(factor: float, word: str) -> None:
    """Mean range of the last five over the mean of all."""
    bars = list(rising_bars(230.0))
    usual = bars[0].h - bars[0].l
    for index in range(-5, 0):
        low = bars[index].h - usual * factor
        bars[index] = msgspec.structs.replace(bars[index], l=low)
    assert volatility(make_window(bars=tuple(bars))) == word


def test_the_quant_rejects_an_extreme_market() -> None:
    """Whatever the trend."""
    bars = list(rising_bars(230.75))
    for index in range(-5, 0):
        bars[index] = msgspec.structs.replace(bars[index], l=225.0)
    said = ask(Role.QUANT, make_window(bars=tuple(bars)))
    assert (said["confirmed"], said["volatility"]) == (False, "extreme")


def test_risk_puts_the_stop_beyond_the_level_behind() -> None:
    """A quarter of the range under the support, and the target twice as far."""
    said = ask(Role.RISK, make_window(), signal={**SIGNAL, "support": 230.0})
    distance = (231.02 - 230.0) / 0.5 + 0.25
    assert said["approved"] is True
    assert said["stop_loss"] == pytest.approx(231.02 - distance * 0.5)
    assert said["take_profit"] == pytest.approx(231.02 + 2 * distance * 0.5)
    assert said["size_fraction"] == pytest.approx((0.8 + 0.8) / 2)


def test_risk_halves_the_size_of_a_wild_market() -> None:
    """And takes it at all only with confidence."""
    wild = {**SIGNAL, "volatility": "high"}
    assert ask(Role.RISK, make_window(), signal=wild)["size_fraction"] == pytest.approx(0.4)
    doubtful = ask(Role.RISK, make_window(), signal=wild, directive={**BUY, "confidence": 0.69})
    assert doubtful["approved"] is False


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"quote": (230.2, 231.02)}, "the spread asks for a stop"),
        ({"quote": (230.98, 231.02), "limits": Limits(max_spread_bps=2.0)}, "bps"),
    ],
)
def test_risk_objects_to_what_a_spread_costs(changes: dict[str, Any], reason: str) -> None:
    """A stop must stand three spreads away, and not beyond 4.5 ranges."""
    said = ask(Role.RISK, make_window(**changes))
    assert said["approved"] is False
    assert reason in said["reason"]


def test_risk_objects_to_a_level_that_leaves_no_reward() -> None:
    """Resistance half a range ahead."""
    said = ask(Role.RISK, make_window(), signal={**SIGNAL, "resistance": 231.3})
    assert said["approved"] is False
    assert "ahead leaves less" in said["reason"]


def test_risk_stops_on_a_bad_day() -> None:
    """At half of the day's loss limit, before code halts at all of it."""
    window = make_window()
    account = msgspec.structs.replace(window.account, day_pnl=Decimal(-1_501))
    said = ask(Role.RISK, msgspec.structs.replace(window, account=account))
    assert said["approved"] is False
    assert "-1501" in said["reason"]


def test_execution_takes_a_narrow_spread_and_waits_in_a_wide_one() -> None:
    """A close always crosses."""
    wide = make_window(quote=(230.60, 231.02))
    assert ask(Role.EXECUTION, make_window())["style"] == "marketable"
    assert ask(Role.EXECUTION, wide)["style"] == "passive"
    leaving = make_window(quote=(230.60, 231.02), position=long_position())
    assert ask(Role.EXECUTION, leaving, directive=SELL)["style"] == "marketable"


async def test_the_rules_answer_at_once_and_always_the_same() -> None:
    """One call, no tokens, the policy as its prompt."""
    brief = brief_of(Role.DIRECTOR, {}, make_window())
    first, second = await Rules().answer(brief), await Rules().answer(brief)
    assert first == second
    assert first.calls[0].tokens_in == 0


def test_the_policy_is_stated_where_it_stands() -> None:
    """The table that decisions name as their prompt."""
    for role in Role:
        assert f"| {role} |" in POLICY


numbers = st.floats(min_value=0.01, max_value=1e6)


@settings(max_examples=200, deadline=None)
@given(
    indicators=st.fixed_dictionaries(
        {
            "ema_12": numbers, "ema_26": numbers, "macd_hist": st.floats(-1e3, 1e3),
            "rsi_14": st.floats(0, 100), "adx_14": st.floats(0, 100),
            "atr_14": st.one_of(st.none(), st.floats(1e-6, 1e3)),
        }
    ),
    close=st.floats(min_value=5.0, max_value=1e5),
    held=st.sampled_from([None, "3", "-3"]),
    symbol=st.sampled_from(["AAPL", "BTC/USD"]),
)  # fmt: skip
def test_no_market_makes_the_rules_fail(
    indicators: dict[str, Any], close: float, held: str | None, symbol: str
) -> None:
    """Any numbers get an answer of the right form; a baseline may not crash."""
    window = make_window(
        symbol,
        indicators=indicators,
        bars=rising_bars(round(close, 2)),
        quote=(round(close - 0.01, 2), round(close + 0.01, 2)),
        position=None if held is None else long_position(held),
        instrument=instrument(symbol),
        limits=SHORTS,
    )
    directive = decide(brief_of(Role.DIRECTOR, {}, window))
    for action in ("buy", "sell"):
        said = {"directive": {**directive, "action": action}}
        brief = brief_of(Role.QUANT, said, window)
        assert brief.intent is not None
        if brief.intent.is_open:
            said["signal"] = decide(brief)
            decide(brief_of(Role.RISK, said, window))
        decide(brief_of(Role.EXECUTION, said, window))
