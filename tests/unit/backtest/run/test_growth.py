"""What a run does must not grow with it: counted in entries of its journal, not in seconds."""

from __future__ import annotations

import sqlite3
from collections import Counter

import numpy as np
import pytest

from backtest.run.running import Means, run
from domain.decisions import Answer, Call, Role
from domain.records import parse_ns

DAY_NS = 86_400 * 1_000_000_000
HOUR_NS = DAY_NS // 24
GAP = 75
WHOLE = (("warmup", "60"), ("fractional", "no"), ("max_order_amount", "1000"))


class Leaver:
    """Buy, and once: leave at the close of the bar before the gap."""

    name = "leaver"

    def __init__(self, buyer, leave_ns):
        self._buyer = buyer
        self._leave_ns = leave_ns

    async def answer(self, brief):
        if brief.role is not Role.DIRECTOR:
            return await self._buyer.answer(brief)
        is_late = parse_ns(brief.window.as_of) >= self._leave_ns
        action = "hold" if brief.window.position is None and is_late else "buy"
        if is_late and brief.window.position is not None:
            action = "sell"
        said = {"action": action, "confidence": 0.9, "thesis": "", "invalidation_price": None}
        call = Call(role=brief.role, attempt=1, model="leaver", prompt_digest="", raw="")
        return Answer(content=said, calls=(call,))


def kinds_of(journal):
    """Count the journal's entries by kind."""
    with sqlite3.connect(journal) as connection:
        return Counter(kind for (kind,) in connection.execute("SELECT kind FROM entries"))


@pytest.fixture
def gapped(bars):
    """Closes alone; bar `GAP` opens below every stop, and a weekend follows it."""
    closes = np.array([100.0 + 0.5 * (n % 3) for n in range(90)])
    closes[GAP:] -= 6
    days = np.arange(90, dtype=np.int64)
    days[GAP + 1 :] += 2
    first = bars("AAPL", closes.tolist()).ts_ns[0]
    flat = dict.fromkeys(("open", "high", "low"), closes)
    return bars("AAPL", closes.tolist(), ts_ns=first + days * DAY_NS + 4 * HOUR_NS, **flat)


def test_a_close_that_finds_no_buyer_ends_when_its_time_is_over(gapped, spec, buyer, tmp_path):
    """The price fell below its limit and below the stop that it had taken down.

    It was looked at once a day: for a day the position stood bare, then its stop was refused every
    five seconds until the market told its next price. One weekend took 34,000 orders, and the run
    of twenty symbols and ten years an hour.
    """
    leaver = Leaver(buyer, int(gapped.ts_ns[GAP]))
    whole = spec(gapped, settings=WHOLE)
    result = run([gapped], whole, Means(analyst=leaver, journal=tmp_path / "run.sqlite3"))
    entry, left = result.fills
    assert (entry.leg, left.leg) == ("entry", "stop")
    assert left.ts_ns - int(gapped.ts_ns[GAP]) < DAY_NS / 2
    kinds = kinds_of(tmp_path / "run.sqlite3")
    assert kinds["intent"] <= 6
    assert sum(kinds.values()) < 200
