"""Every decision of a run, made again from the journal alone, is the same to the byte."""

from __future__ import annotations

from collections import Counter

import pytest

from domain.decisions import Outcome, canonical_decision
from domain.market import Window
from domain.records import canonical, parse
from engine.clock import LiveClock
from exchange.config import seeded_crypto, seeded_stock
from graph.desk import replay

LEAST = 20


def busy():
    """Four restless symbols, so that a few seconds bring many decisions."""
    return (
        seeded_stock("AAPL", 228.0, volatility_bps=20.0, prints_per_s=6.0),
        seeded_stock("NVDA", 176.0, volatility_bps=20.0, prints_per_s=6.0),
        seeded_crypto("BTC/USD", 86e3, volatility_bps=20.0, prints_per_s=6.0),
        seeded_crypto("ETH/USD", 2800.0, volatility_bps=20.0, prints_per_s=6.0),
    )


@pytest.mark.parametrize("analyst", ["rules", "llm"])
async def test_every_decision_of_a_run_replays_to_the_byte(open_house, until, analyst):
    """Held, ordered, rejected, abstained: windows, prompts and answers are all in the journal."""
    async with open_house(*busy()) as house, house.bot(ANALYST=analyst) as process:
        house.model.wants |= {"AAPL": "buy", "BTC/USD": "buy", "NVDA": "sell"}
        await until(lambda: process.bot.status().decisions >= LEAST // 2)
        house.model.wants |= {"AAPL": "sell", "ETH/USD": "buy"}
        house.model.raw["verdict"] = "I approve wholeheartedly."
        await until(lambda: process.bot.status().decisions >= LEAST + 4)
        await process.bot.stop(actor="test")
        reads = process.bot.reader().decisions

        async def journaled():
            page = await reads.page(limit=500)
            return page.items if len(page.items) >= LEAST else None

        rows = await until(journaled)
        seen = Counter(row.outcome for row in rows)
        for row in rows:
            story = await reads.story(row.id)
            again = await replay(
                parse(story.window, Window),
                reads,
                analyst=story.decision.analyst,
                clock=LiveClock(),
                prompts=story.prompts,
            )
            first, second = (
                canonical(canonical_decision(each)) for each in (story.decision, again.decision)
            )
            assert first == second, row
        assert seen[Outcome.HELD]
        if analyst == "llm":
            assert seen[Outcome.ORDERED]
            assert seen[Outcome.ABSTAINED]
