"""The board: the live stream and everyone's past are one market."""

import json
from itertools import pairwise

import pytest
import zstandard

from exchange.market.board import Board
from exchange.market.history import BAR_DELAY_NS
from exchange.market.hours import Hours
from exchange.market.ladder import Ladder, full_book
from exchange.market.minute import NS_PER_MINUTE, NS_PER_S
from exchange.market.played.source import PlayedSource
from exchange.market.played.tapes import load_tape
from exchange.market.records import (
    Article,
    Cancellation,
    Candle,
    Correction,
    Halt,
    Print,
    TopOfBook,
)
from exchange.market.seeded.profile import SeededProfile
from exchange.market.seeded.source import SeededSource
from exchange.market.stamps import from_rfc3339, to_rfc3339
from exchange.market.timeframe import Timeframe
from exchange.matching.sessions import AlwaysOpen, RegularSessions

ORIGIN_NS = 1_790_000_000 * NS_PER_S + 123
ONE_MINUTE = Timeframe(1, "Min")


def seeded(symbol, *, seed=7, sessions=None, origin_ns=ORIGIN_NS, **profile):
    hours = Hours(is_crypto="/" in symbol, sessions=sessions or AlwaysOpen())
    looks = SeededProfile(**{"start_price": 100.0, **profile})
    return SeededSource(symbol, looks, seed=seed, hours=hours, origin_ns=origin_ns)


def board(*symbols, **options):
    return Board([seeded(symbol, **options) for symbol in symbols], start_ns=ORIGIN_NS)


def of(kind, messages):
    return [m for m in messages if isinstance(m, kind)]


@pytest.fixture(scope="module")
def half_an_hour():
    played = board("AAPL", "BTC/USD")
    return played, played.advance(ORIGIN_NS + 30 * NS_PER_MINUTE)


def test_many_small_steps_say_the_same_as_one_large_step(half_an_hour):
    _, at_once = half_an_hour
    steps, told = board("AAPL", "BTC/USD"), []
    now = ORIGIN_NS
    while now < ORIGIN_NS + 5 * NS_PER_MINUTE:
        now += 730_000_000
        told.extend(steps.advance(now))
    assert told == [m for m in at_once if m.published_ns <= now]


def test_messages_are_public_in_order_and_none_before_the_start(half_an_hour):
    times = [m.published_ns for m in half_an_hour[1]]
    assert times == sorted(times)
    assert times[0] >= ORIGIN_NS


def test_every_minute_brings_a_bar_of_each_symbol_right_after_it(half_an_hour):
    bars = [c for c in of(Candle, half_an_hour[1]) if c.kind == "b" and c.symbol == "BTC/USD"]
    starts = [c.ts_event for c in bars]
    assert len(starts) >= 29
    assert [b - a for a, b in pairwise(starts)] == [NS_PER_MINUTE] * (len(starts) - 1)
    assert {c.published_ns - c.ts_event for c in bars} == {NS_PER_MINUTE + BAR_DELAY_NS}


def test_a_late_print_or_amendment_brings_an_updated_bar_at_the_half_minute(half_an_hour):
    played, told = half_an_hour
    updated = [c for c in of(Candle, told) if c.kind == "u" and c.ts_event >= ORIGIN_NS]
    assert updated
    for candle in updated:
        start = candle.ts_event
        assert candle.published_ns == start + 90 * NS_PER_S
        of_minute = [
            p
            for p in of(Print, told)
            if p.symbol == candle.symbol and start <= p.ts_event < start + NS_PER_MINUTE
        ]
        ids = {p.trade_id for p in of_minute}
        amended = [a for a in of(Cancellation | Correction, told) if a.amended_id in ids]
        assert [
            m
            for m in [*of_minute, *amended]
            if m.published_ns > start + NS_PER_MINUTE + BAR_DELAY_NS
        ]
        history = played.histories[candle.symbol]
        (closed,) = history.candles(ONE_MINUTE, start, start, ORIGIN_NS + 40 * NS_PER_MINUTE)
        assert (closed.close, closed.volume) == (candle.close, candle.volume)


def test_bars_of_the_stream_are_those_of_history_unless_updated(half_an_hour):
    played, told = half_an_hour
    for symbol, history in played.histories.items():
        last = {
            c.ts_event: (c.open, c.high, c.low, c.close, c.volume, c.trade_count, c.vwap)
            for c in of(Candle, told)
            if c.symbol == symbol and c.kind in "bu"
        }
        end = max(last) - NS_PER_MINUTE
        past = history.candles(ONE_MINUTE, ORIGIN_NS, end, ORIGIN_NS + 40 * NS_PER_MINUTE)
        for c in past:
            assert last[c.ts_event] == (
                c.open,
                c.high,
                c.low,
                c.close,
                c.volume,
                c.trade_count,
                c.vwap,
            )


def test_history_joins_the_stream_without_a_gap_and_without_a_double(half_an_hour):
    """Prints of REST up to the origin, then those of the stream: just what REST says later."""
    played, told = half_an_hour
    end = ORIGIN_NS + 20 * NS_PER_MINUTE
    for symbol, history in played.histories.items():
        past = history.prints(0, ORIGIN_NS, ORIGIN_NS - 1)
        before = [p for p in past if p.update != "corrected"]
        live = [p for p in of(Print, told) if p.symbol == symbol]
        joined = {p.trade_id for p in before} | {p.trade_id for p in live if p.ts_event <= end}
        later = [p for p in history.prints(0, end, end + NS_PER_MINUTE) if p.update != "corrected"]
        assert {p.trade_id for p in later} == joined
        assert len(later) == len(joined)


def test_history_holds_at_least_300_bars_before_the_origin():
    for symbol, history in board("AAPL", "BTC/USD").histories.items():
        bars = list(history.candles(ONE_MINUTE, 0, ORIGIN_NS, ORIGIN_NS))
        assert len(bars) >= 300, symbol
        assert bars[-1].ts_event + NS_PER_MINUTE <= ORIGIN_NS


def test_nothing_of_the_future_is_told():
    history = board("AAPL").histories["AAPL"]
    assert all(p.published_ns <= ORIGIN_NS for p in history.prints(0, 1 << 62, ORIGIN_NS))
    assert all(q.ts_event <= ORIGIN_NS for q in history.quotes(0, 1 << 62, ORIGIN_NS))
    assert history.last_candle(ORIGIN_NS).ts_event + NS_PER_MINUTE <= ORIGIN_NS


def test_newest_first_is_oldest_first_turned_round():
    history = board("AAPL").histories["AAPL"]
    span = (ORIGIN_NS - 10 * NS_PER_MINUTE, ORIGIN_NS, ORIGIN_NS)
    assert list(history.prints(*span)) == list(history.prints(*span, newest_first=True))[::-1]
    assert list(history.quotes(*span)) == list(history.quotes(*span, newest_first=True))[::-1]
    for frame in (ONE_MINUTE, Timeframe(5, "Min"), Timeframe(1, "Day"), Timeframe(1, "Week")):
        forward = list(history.candles(frame, 0, *span[1:]))
        assert forward == list(history.candles(frame, 0, *span[1:], newest_first=True))[::-1]


def test_longer_bars_are_merged_from_minutes():
    history = board("AAPL").histories["AAPL"]
    five = list(
        history.candles(Timeframe(5, "Min"), ORIGIN_NS - 60 * NS_PER_MINUTE, ORIGIN_NS, ORIGIN_NS)
    )
    for candle in five[:-1]:
        span = (candle.ts_event, candle.ts_event + 4 * NS_PER_MINUTE)
        parts = list(history.candles(ONE_MINUTE, *span, ORIGIN_NS))
        assert candle.ts_event % (5 * NS_PER_MINUTE) == 0
        assert (candle.open, candle.close) == (parts[0].open, parts[-1].close)
        assert (candle.high, candle.low) == (max(p.high for p in parts), min(p.low for p in parts))
        assert candle.volume == sum(p.volume for p in parts)
        assert candle.trade_count == sum(p.trade_count for p in parts)


def test_the_running_day_is_made_of_its_minutes_and_follows_older_days():
    history = board("AAPL").histories["AAPL"]
    day, *older = history.days(ORIGIN_NS)
    assert day == history.day(ORIGIN_NS)
    assert to_rfc3339(day.ts_event).endswith("T04:00:00Z"), "midnight in New York, in summer"
    minutes = list(history.candles(ONE_MINUTE, day.ts_event, ORIGIN_NS, ORIGIN_NS))
    assert day.volume == sum(m.volume for m in minutes)
    assert len(older) > 250


def test_crypto_days_begin_at_midnight_utc():
    day = board("BTC/USD").histories["BTC/USD"].day(ORIGIN_NS)
    assert to_rfc3339(day.ts_event).endswith("T00:00:00Z")


def test_daily_bars_are_streamed_every_minute_and_only_when_wanted():
    wanted = board("AAPL")
    days = [c for c in of(Candle, wanted.advance(ORIGIN_NS + 3 * NS_PER_MINUTE)) if c.kind == "d"]
    assert len(days) == 3
    unwanted = board("AAPL")
    unwanted.with_days = lambda: False
    told = of(Candle, unwanted.advance(ORIGIN_NS + 3 * NS_PER_MINUTE))
    assert {c.kind for c in told} <= {"b", "u"}


def test_shares_are_silent_when_their_market_is_closed_and_crypto_is_not():
    """22:13 New York on a Monday."""
    night = ORIGIN_NS + 12 * 60 * NS_PER_MINUTE
    sources = [
        seeded(symbol, sessions=RegularSessions(), origin_ns=night)
        for symbol in ("AAPL", "BTC/USD")
    ]
    told = Board(sources, start_ns=night).advance(night + 3 * NS_PER_MINUTE)
    assert {m.symbol for m in told if not isinstance(m, Article)} == {"BTC/USD"}


def test_news_of_the_stream_is_the_news_of_history():
    played = board("AAPL", "BTC/USD")
    end = ORIGIN_NS + 120 * NS_PER_MINUTE
    live = of(Article, played.advance(end))
    assert live
    assert played.articles(ORIGIN_NS, end, end) == live
    assert len({a.article_id for a in live}) == len(live)


def test_a_tape_starts_over_beside_a_market_that_does_not(tmp_path):
    """Across the switch the seeded symbol plays on, and the tape's past is fresh."""
    header = {"tape": 1, "source": "", "licence": "", "origin_ns": ORIGIN_NS}
    frames = [
        {
            "r": n * NS_PER_S,
            "c": "stocks",
            "f": [{"T": "t", "S": "T", "i": n, "p": 10 + n, "s": 1, "t": to_rfc3339(n * NS_PER_S)}],
        }
        for n in range(60, 180)
    ]
    path = tmp_path / "t"
    path.write_bytes(
        zstandard.compress(b"\n".join(json.dumps(f).encode() for f in [header, *frames]))
    )
    hours = Hours(is_crypto=False, sessions=AlwaysOpen())
    tape = PlayedSource(
        load_tape(path).recordings["T"], hours=hours, origin_ns=ORIGIN_NS, start_minutes=1
    )
    played = Board([tape, seeded("AAPL")], start_ns=ORIGIN_NS)
    switch_ns = tape.switch_ns
    told = played.advance(switch_ns + 5 * NS_PER_S)
    assert [h.is_halted for h in of(Halt, told) if h.symbol == "T"] == [True, False]
    prices = [p.price for p in of(Print, told) if p.symbol == "T"]
    assert prices == [*range(130, 190), *range(130, 136)]
    alone = board("AAPL").advance(switch_ns + 5 * NS_PER_S)
    assert [m for m in told if m.symbol == "AAPL"] == alone
    past = played.histories["T"].prints(0, switch_ns - 1, switch_ns)
    assert [p.price for p in past] == list(range(70, 130))


def test_a_book_in_full_and_its_deltas_agree():
    quotes = of(
        TopOfBook, board("BTC/USD", start_price=61_000.0).advance(ORIGIN_NS + NS_PER_MINUTE)
    )
    ladder, book = Ladder(), {}
    for quote in quotes:
        depth = ladder.follow(quote)
        for side, levels in (("b", depth.bids), ("a", depth.asks)) if depth else ():
            for price, size in levels:
                book[side, price] = size
        full = full_book(quote)
        assert {k: s for k, s in book.items() if s} == {
            (side, price): size
            for side, levels in (("b", full.bids), ("a", full.asks))
            for price, size in levels
        }
        assert full.bids[0] == (quote.bid, quote.bid_size)
        assert full.asks[0] == (quote.ask, quote.ask_size)
        assert len(full.bids) == len(full.asks) == 10


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("1Min", (1, "Min")),
        ("59T", (59, "Min")),
        ("23Hour", (23, "Hour")),
        ("1D", (1, "Day")),
        ("1Week", (1, "Week")),
        ("3M", (3, "Month")),
    ],
)
def test_timeframes_are_read_as_alpaca_writes_them(text, frame):
    assert Timeframe.parse(text) == Timeframe(*frame)


@pytest.mark.parametrize(
    "text", ["", "Min", "60Min", "0Min", "24Hour", "2Day", "5Month", "1Year", "1min"]
)
def test_timeframes_that_alpaca_does_not_serve_are_refused(text):
    with pytest.raises(ValueError, match="invalid timeframe"):
        Timeframe.parse(text)


@pytest.mark.parametrize(
    ("ts", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
    ],
)
def test_stamps_drop_trailing_zeros_and_read_back(ts, text):
    assert to_rfc3339(ts) == text
    assert from_rfc3339(text) == ts


@pytest.mark.parametrize(
    "text",
    ["2024-01-02", "2024-01-02T05:00:00+05:00", "2024-01-02 00:00", "2024-01-02T00:00:00.000Z"],
)
def test_stamps_read_what_clients_send(text):
    assert to_rfc3339(from_rfc3339(text)) == "2024-01-02T00:00:00Z"
