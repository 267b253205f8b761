"""Ticks as they come: fills at what was quoted after an arrival, candles by the clock, halts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backtest.data.ticks import Moment
from backtest.run.running import Means, run, run_ticks
from domain.errors import ConfigError
from domain.market import Quote, StatusChanged, Trade
from domain.records import NS_PER_S

SYMBOL = "BTC/USD"


def ticks(n, start_ns, *, every_s=5, halted=()) -> Iterator[Moment]:
    """A print every few seconds, up a little in each but down in every seventh."""
    price = 100.0
    for k in range(n):
        ts = start_ns + k * every_s * NS_PER_S
        price *= 0.9985 if k % 7 == 0 else 1.0004
        events = [Trade(SYMBOL, round(price, 4), 2.0, ts, ts, k + 1)]
        if k in halted:
            events.insert(0, StatusChanged(SYMBOL, ts, k == halted[0], "2", "halt"))
        yield Moment(ts, events)


@pytest.fixture
def told(bars, spec):
    """The spec of a run on ticks, whose answers take two seconds each."""
    series = bars(SYMBOL, [100.0] * 3_000, 60)
    return spec(series, analyst_latency_s=2.0, interval_s=60), int(series.ts_ns[0])


def test_a_fill_comes_from_a_quote_behind_the_order(told, buyer):
    """Four answers of two seconds each: nothing fills before, and at the price of that moment."""
    spec, start_ns = told
    result = run_ticks(ticks(1_000, start_ns), spec, Means(analyst=buyer))
    entries = [row for row in result.fills if row.leg == "entry"]
    decided = {row.id: row for row in result.decisions}
    assert entries
    for row in entries:
        assert row.ts_ns >= decided[row.decision_id].ts_ns + 8 * NS_PER_S
        assert (row.ts_ns - start_ns) % (5 * NS_PER_S) == 0


def test_the_same_ticks_give_the_same_chain(told, buyer):
    """To the byte, the second time too."""
    spec, start_ns = told
    digests = {run_ticks(ticks(850, start_ns), spec, Means(analyst=buyer)).digest for _ in range(2)}
    assert len(digests) == 1


def test_nothing_is_bought_while_its_market_is_halted(told, buyer):
    """A halt on the tape holds for the gate and for the venue until the tape ends it."""
    spec, start_ns = told
    result = run_ticks(ticks(1_000, start_ns, halted=(730, 960)), spec, Means(analyst=buyer))
    begins, ends = (start_ns + k * 5 * NS_PER_S for k in (730, 960))
    assert not [row for row in result.fills if begins < row.ts_ns < ends]


def test_quotes_of_the_tape_are_taken_as_they_are(told, buyer):
    """Where the tape quotes, nothing is made up: an entry pays the ask that stood there."""
    spec, start_ns = told

    def quoted():
        for moment in ticks(1_000, start_ns):
            price = moment.events[0].price
            quote = Quote(SYMBOL, price - 0.02, 5.0, price + 0.02, 5.0, moment.ts_ns, moment.ts_ns)
            yield Moment(moment.ts_ns, [quote, *moment.events])

    result = run_ticks(quoted(), spec, Means(analyst=buyer))
    entry = next(row for row in result.fills if row.leg == "entry")
    assert entry.price == pytest.approx(entry.reference_price + 0.02)


def test_a_policy_is_sent_to_bars(told):
    """It decides on columns, which ticks have not."""
    spec, start_ns = told
    policy = type(spec)(
        **{name: getattr(spec, name) for name in spec.__struct_fields__} | {"analyst": "policy:sma"}
    )
    with pytest.raises(ConfigError, match="decides on bars"):
        run_ticks(ticks(10, start_ns), policy)


def test_a_losing_bot_stops_for_the_day_and_a_person_resumes_it(bars, spec, buyer):
    """With `resume=never` the limits that stopped it stay; with `next_day` it trades again."""
    series = bars("AAPL", [100.0 * 0.97 ** (n % 12) for n in range(110)])
    settings = (("warmup", "60"), ("max_consecutive_losses", "2"))
    fills = {}
    for resume in ("never", "next_day"):
        told = spec(series, settings=(*settings, ("resume", resume)))
        fills[resume] = len(run([series], told, Means(analyst=buyer)).fills)
    assert 0 < fills["never"] < fills["next_day"]
