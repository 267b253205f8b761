"""The seeded market: one seed is one market, whose minutes join and whose rules hold."""

import itertools
from decimal import Decimal

import pytest

from exchange.market.hours import Hours
from exchange.market.minute import NS_PER_MINUTE, NS_PER_S, Minute
from exchange.market.records import Article, Band, Cancellation, Correction, Halt, Print, TopOfBook
from exchange.market.seeded.path import Path, PathProfile, Regime
from exchange.market.seeded.profile import SeededProfile
from exchange.market.seeded.source import SeededSource
from exchange.matching.sessions import AlwaysOpen, RegularSessions

ORIGIN_NS = 1_790_000_000 * NS_PER_S  # Monday 21 September 2026, 14:13:20 UTC
FOREVER = 1 << 62
ALWAYS = AlwaysOpen()


def share(symbol="AAPL", *, seed=7, sessions=ALWAYS, **profile):
    return SeededSource(
        symbol,
        SeededProfile(**{"start_price": 190.0, **profile}),
        seed=seed,
        hours=Hours(is_crypto="/" in symbol, sessions=sessions),
        origin_ns=ORIGIN_NS,
    )


def minutes(source, count=60):
    return [source.minute(source.first_minute + nth) for nth in range(count)]


def of(kind, played: list[Minute]):
    return [m for minute in played for m in minute.messages(0, FOREVER) if isinstance(m, kind)]


def test_the_same_seed_plays_the_same_market_and_another_seed_another():
    first, again, other = share(), share(), share(seed=8)
    assert of(Print, minutes(first)) == of(Print, minutes(again))
    assert of(Print, minutes(first)) != of(Print, minutes(other))


def test_symbols_of_one_seed_differ():
    assert of(Print, minutes(share("AAPL"), 2)) != of(Print, minutes(share("MSFT"), 2))


def test_a_minute_is_the_same_whenever_and_in_whatever_order_it_is_asked_for():
    forward, backward = share(), share()
    last = backward.minute(backward.first_minute + 400).messages(0, FOREVER)
    assert [m.messages(0, FOREVER) for m in minutes(forward, 401)][-1] == last


def test_minutes_join_without_a_seam():
    """The first quote of a minute follows closely on the last one of the minute before."""
    played = minutes(share(volatility_bps=8.0), 300)
    for before, after in itertools.pairwise(played):
        if not len(before.quotes.rows) or not len(after.quotes.rows):
            continue
        left, right = before.quotes.rows[-1], after.quotes.rows[0]
        assert right["bid"] == pytest.approx(left["bid"], rel=0.004)


def test_prints_trade_at_the_bid_or_the_offer_of_their_moment():
    for minute in minutes(share(), 30):
        quote = None
        on_time = [m for m in minute.messages(0, FOREVER) if m.published_ns == m.ts_event]
        for message in on_time:
            if isinstance(message, TopOfBook):
                quote = message
            elif isinstance(message, Print):
                assert message.price in (quote.bid, quote.ask)


@pytest.mark.parametrize(
    ("symbol", "price", "tick"), [("AAPL", 190, 0.01), ("BTC/USD", 61_000, 0.5)]
)
def test_prices_stand_on_the_tick_and_never_lock(symbol, price, tick):
    for quote in of(TopOfBook, minutes(share(symbol, start_price=price, tick=tick), 30)):
        assert quote.bid < quote.ask
        for side in (quote.bid, quote.ask):
            assert Decimal(str(side)) % Decimal(str(tick)) == 0


def test_shares_trade_whole_and_crypto_in_parts_with_a_taker():
    stocks, coins = of(Print, minutes(share(), 5)), of(Print, minutes(share("BTC/USD"), 5))
    assert all(p.size == int(p.size) >= 1 and not p.taker for p in stocks)
    assert {p.taker for p in coins} == {"B", "S"}
    assert any(p.size != int(p.size) for p in coins)
    assert min(p.trade_id for p in coins) > 1 << 53, "ids that a float cannot hold"


def test_print_ids_are_unique():
    ids = [p.trade_id for p in of(Print, minutes(share(), 120))]
    assert len(set(ids)) == len(ids)


def test_odd_lots_are_labelled():
    odd = [p for p in of(Print, minutes(share(), 60)) if p.size < 100]
    assert odd
    assert all("I" in p.conditions for p in odd)


def test_every_regime_comes_within_an_hour_and_trends_move_the_price():
    path = Path(PathProfile(start_price=100.0), seed=3, symbol="X")
    steps = [path.step(n) for n in range(600)]
    assert {s.regime for s in steps} == set(Regime)
    moves = {r: [s.end - s.start - s.jump for s in steps if s.regime is r] for r in Regime}
    mean = {r: sum(m) / len(m) for r, m in moves.items()}
    assert mean[Regime.UP] > 0.0004 > abs(mean[Regime.RANGE])
    assert mean[Regime.DOWN] < -0.0004


def test_a_price_wanders_but_never_runs_away():
    path = Path(PathProfile(start_price=100.0), seed=3, symbol="X")
    assert all(70 < path.price(n) < 140 for n in range(0, 20_000, 50))


@pytest.fixture(scope="module")
def long_played():
    return minutes(share(), 2_000)


def test_surprises_come_and_can_be_switched_off(long_played):
    kinds = {type(notice) for minute in long_played for notice in minute.notices}
    assert kinds == {Band, Halt, Article, Cancellation, Correction}
    assert any((m.prints.rows["published"] > m.prints.rows["ts"]).any() for m in long_played)
    calm = minutes(share(has_surprises=False), 300)
    assert not any(minute.notices for minute in calm)
    assert all((m.prints.rows["published"] == m.prints.rows["ts"]).all() for m in calm)


def test_a_halted_minute_has_no_prints_and_ends_with_a_resumption(long_played):
    halted = [m for m in long_played if any(isinstance(n, Halt) for n in m.notices)]
    assert halted
    for minute in halted:
        assert not len(minute.prints.rows)
        assert not len(minute.quotes.rows)
        begin, end = (n for n in minute.notices if isinstance(n, Halt))
        assert (begin.is_halted, end.is_halted) == (True, False)
        assert end.published_ns - begin.published_ns == NS_PER_MINUTE


def test_some_news_is_about_what_the_price_does():
    """A jump is told about in the same minute, in words of its direction."""
    source = share()
    path = source._path
    told = 0
    for nth in range(1_000):
        step = path.step(nth)
        if not step.jump:
            continue
        texts = " ".join(a.headline for a in source.articles(source.first_minute + nth))
        up = "jumps" in texts or "spikes" in texts
        assert up is (step.jump > 0)
        told += 1
    assert told > 5


def test_regular_hours_print_only_in_the_session_and_still_have_three_hundred_bars_of_history():
    source = share(sessions=RegularSessions())
    last = ORIGIN_NS // NS_PER_MINUTE
    opened = [m for m in range(source.first_minute, last) if source.minute(m).candle(FOREVER)]
    assert len(opened) >= 300
    assert all(source.hours.is_open(m) for m in opened)


def test_regular_hours_have_more_volume_at_the_open_and_close_than_at_noon():
    hours = Hours(is_crypto=False, sessions=ALWAYS)
    nine_thirty = ORIGIN_NS // NS_PER_MINUTE // 1440 * 1440 + 13 * 60 + 30
    at_open, at_noon, at_close = (hours.activity(nine_thirty + m) for m in (1, 195, 388))
    assert at_open > 1.5 * at_noon
    assert at_close > 1.5 * at_noon


def test_daily_history_ends_where_the_minutes_begin():
    source = share()
    days = source.older_days()
    assert len(days) > 250
    assert days[-1].close == pytest.approx(190.0)
    assert all(d.low <= min(d.open, d.close) <= max(d.open, d.close) <= d.high for d in days)
    assert days[-1].ts_event < source.first_minute * NS_PER_MINUTE
    assert [d.ts_event for d in days] == sorted({d.ts_event for d in days})
