"""What a run does must not grow with it: counted in calls, entries and objects, not in seconds."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import sys
from collections import Counter
from decimal import Decimal

import numpy as np
import pytest

from backtest.run.mapping import plan_of
from backtest.run.running import Means, run
from domain.decisions import Answer, Call, Role
from domain.records import parse_ns

DAY_NS = 86_400 * 1_000_000_000
HOUR_NS = DAY_NS // 24
GAP = 75
WHOLE = (("warmup", "60"), ("fractional", "no"), ("max_order_amount", "1000"))


class Trader:
    """Buy when flat and `wants` says so, leave when it does not; all else as the buyer says."""

    name = "trader"

    def __init__(self, buyer, wants):
        self._buyer = buyer
        self._wants = wants

    async def answer(self, brief):
        if brief.role is not Role.DIRECTOR:
            return await self._buyer.answer(brief)
        is_held = brief.window.position is not None
        is_wanted = self._wants(parse_ns(brief.window.as_of))
        action = "hold" if is_wanted is is_held else "buy" if is_wanted else "sell"
        said = {"action": action, "confidence": 0.9, "thesis": "", "invalidation_price": None}
        call = Call(role=brief.role, attempt=1, model="trader", prompt_digest="", raw="")
        return Answer(content=said, calls=(call,))


def kinds_of(journal):
    """Count the journal's entries by kind."""
    with contextlib.closing(sqlite3.connect(journal)) as connection:
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
    trader = Trader(buyer, lambda now_ns: now_ns < int(gapped.ts_ns[GAP]))
    path = tmp_path / "run.sqlite3"
    result = run([gapped], spec(gapped, settings=WHOLE), Means(analyst=trader, journal=path))
    entry, left = result.fills
    assert (entry.leg, left.leg) == ("entry", "stop")
    assert left.ts_ns - int(gapped.ts_ns[GAP]) < DAY_NS / 2
    assert left.ts_ns == int(gapped.ts_ns[GAP]) + DAY_NS // 3  # The next price there is.
    kinds = kinds_of(path)
    # Its exit lives an hour and is asked for anew until a price comes: seven times in eight hours.
    assert kinds["intent"] <= 12
    assert sum(kinds.values()) < 200


class Meter:
    """Count the calls of Python functions and the objects alive, at each decision of a run."""

    def __init__(self):
        self.calls = 0
        self.read: list[tuple[int, int]] = []

    def count(self, _frame, event, _arg):
        """Hear the interpreter."""
        self.calls += event == "call"

    def mark(self):
        """Note both; a decision every so often, for counting objects walks them all.

        Decimals are left out: from Python 3.13 on the collector lists them too.
        """
        gc.collect()
        alive = sum(type(each) is not Decimal for each in gc.get_objects())
        self.read.append((self.calls, alive))

    def spent(self, first, last):
        """Return what lay between two marks: calls, and objects more."""
        return tuple(b - a for a, b in zip(self.read[first], self.read[last], strict=True))


def test_the_last_tenth_of_a_run_costs_what_the_second_did(bars, spec, buyer):
    """Four hundred decisions, ten round trips in each tenth, and next to nothing remembers them.

    What is kept of one: its decisions and fills, which are reported, and the venue's own orders and
    activities.
    """
    series = bars("AAPL", [100.0 + 0.5 * (n % 3) for n in range(460)])
    meter, decided = Meter(), Counter()

    def wants(now_ns):
        nth = decided.total()
        decided[now_ns] += 1
        if nth % 40 == 0:
            meter.mark()
        return nth % 4 < 2

    trader = Trader(buyer, wants)
    before = sys.getprofile()
    sys.setprofile(meter.count)
    try:
        result = run([series], spec(series, settings=WHOLE), Means(analyst=trader))
    finally:
        sys.setprofile(before)
    assert len(result.fills) == 200
    (early_calls, _), (late_calls, late_objects) = meter.spent(1, 2), meter.spent(8, 9)
    assert late_calls < 1.01 * early_calls
    assert late_objects / 10 < 40


def test_nobody_looks_at_the_exits_of_a_policy(bars, spec):
    """What it holds stands without stops: twenty holdings were looked at on each of 3,650 days."""
    series = bars("AAPL", [100.0] * 80)
    policy = plan_of(spec(series, analyst="policy:once"), is_ticks=False)
    rules = plan_of(spec(series), is_ticks=False)
    assert rules.exits.check_every_s == 86_400
    assert policy.exits.check_every_s > 10 * 365 * 86_400
