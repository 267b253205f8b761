"""The rules on the shipped tape and the seeded markets: a baseline that does something."""

from __future__ import annotations

import runpy
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from domain.decisions import Decision, Outcome
from domain.limits import Limits
from domain.orders import Side
from domain.records import NS_PER_S
from exchange.config import demo_config
from exchange.tapes import ES_SYMBOL

GOLDEN = Path(__file__).parents[2] / "golden"
LEAST = 5


def kind(decision: Decision) -> str:
    """Say what a person would call it."""
    if decision.outcome is Outcome.ORDERED:
        assert decision.request is not None
        return "buys" if decision.request.side is Side.BUY else "sells"
    return {
        Outcome.HELD: "holds",
        Outcome.QUANT_REJECTED: "rejected by quant",
        Outcome.RISK_REJECTED: "rejected by risk",
    }.get(decision.outcome, decision.outcome.value)


async def count(
    symbols: set[str], minutes: int, limits: Limits, *, interval_s: int, cooldown_s: int
) -> Counter[str]:
    """Walk markets of the demo and count what the rules do."""
    make = runpy.run_path(str(GOLDEN / "make.py"))
    counted: Counter[str] = Counter()
    for source in make["markets"](demo_config()):
        if source.symbol in symbols:
            walk = make["decisions"](
                source, minutes, limits, interval_s=interval_s, cooldown_ns=cooldown_s * NS_PER_S
            )
            counted.update([kind(decision) async for _, decision in walk])
    return counted


EVERYTHING = {"buys", "sells", "holds", "rejected by quant", "rejected by risk"}


async def test_on_the_real_tape_the_rules_do_everything_often() -> None:
    """169,686 real ticks in bars of 15 seconds, decided at every bar."""
    counted = await count({ES_SYMBOL}, 390, Limits(), interval_s=15, cooldown_s=0)
    assert set(counted) == EVERYTHING
    assert min(counted.values()) >= LEAST, counted


@pytest.mark.parametrize(
    ("symbols", "limits"),
    [
        ({"NVDA"}, Limits()),
        ({"NVDA"}, Limits(allow_short=True, max_order_amount=Decimal(5_000))),
        ({"BTC/USD", "ETH/USD"}, Limits()),
    ],
    ids=["stocks", "stocks with shorts", "crypto"],
)
async def test_on_seeded_markets_the_rules_do_everything_often(
    symbols: set[str], limits: Limits
) -> None:
    """Bars of 5 seconds, a minute of cool-down, as the demo runs."""
    counted = await count(symbols, 390, limits, interval_s=5, cooldown_s=60)
    assert set(counted) == EVERYTHING
    assert min(counted.values()) >= LEAST, counted
