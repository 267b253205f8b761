"""One minute: what is public when, and the bar it makes."""

import pytest

from exchange.market.columns import (
    PRINT_ROW,
    QUOTE_ROW,
    PrintLabel,
    Prints,
    QuoteLabel,
    Quotes,
    columns,
)
from exchange.market.minute import NS_PER_MINUTE, NS_PER_S, Minute
from exchange.market.records import Cancellation, Correction, Print, TopOfBook

START = 1_000 * NS_PER_MINUTE
END = START + NS_PER_MINUTE
LABELS = (
    PrintLabel("V", ("@",), "C"),
    PrintLabel("V", ("@", "I"), "C"),
    PrintLabel("V", ("M",), "C"),
)


def minute(rows, *, notices=(), quotes=(), symbol="AAPL"):
    """Rows are (second, price, size, label, published second)."""
    at = [START + int(r[0] * NS_PER_S) for r in rows]
    out = [START + int(r[4] * NS_PER_S) if len(r) > 4 else t for r, t in zip(rows, at, strict=True)]
    prints = columns(
        PRINT_ROW,
        ts=at,
        published=out,
        price=[r[1] for r in rows],
        size=[r[2] for r in rows],
        id=range(1, len(rows) + 1),
        label=[r[3] if len(r) > 3 else 0 for r in rows],
    )
    when = [START + int(q[0] * NS_PER_S) for q in quotes]
    tops = columns(
        QUOTE_ROW, ts=when, published=when, bid=[q[1] for q in quotes], ask=[q[2] for q in quotes]
    )
    return Minute(
        symbol=symbol,
        start_ns=START,
        prints=Prints(prints, LABELS),
        quotes=Quotes(tops, (QuoteLabel(),)),
        notices=notices,
    )


def ohlcv(candle):
    return candle.open, candle.high, candle.low, candle.close, candle.volume, candle.trade_count


def test_a_bar_is_first_highest_lowest_last_and_the_sum():
    bar = minute([(1, 10.0, 100), (2, 12.0, 100), (3, 9.0, 300), (4, 11.0, 500)]).candle(END)
    assert ohlcv(bar) == (10.0, 12.0, 9.0, 11.0, 1_000.0, 4)
    assert bar.vwap == pytest.approx((1_000 + 1_200 + 2_700 + 5_500) / 1_000)


def test_an_odd_lot_counts_in_volume_and_not_in_prices():
    bar = minute([(1, 10.0, 100), (2, 99.0, 5, 1), (3, 11.0, 100)]).candle(END)
    assert ohlcv(bar) == (10.0, 11.0, 10.0, 11.0, 205.0, 3)


def test_an_official_close_counts_nowhere():
    bar = minute([(1, 10.0, 100), (2, 99.0, 10_000, 2)]).candle(END)
    assert ohlcv(bar) == (10.0, 10.0, 10.0, 10.0, 100.0, 1)


@pytest.mark.parametrize(
    ("tape", "codes"), [("A", "CGHINPRUVZ47B"), ("B", "B"), ("C", "CGHINPRUVZ47W"), ("O", "W")]
)
def test_each_condition_that_sets_no_price_is_known_by_tape(tape, codes):
    for code in codes:
        label = PrintLabel("V", ("@", code), tape)
        assert (label.updates_price, label.updates_volume) == (False, True), code


@pytest.mark.parametrize(("tape", "codes"), [("A", "@FTXW"), ("C", "@FTXB")])
def test_other_conditions_set_prices(tape, codes):
    for code in codes:
        assert PrintLabel("V", (code,), tape).updates_price, code


def test_no_valid_print_makes_no_bar_of_a_share():
    assert minute([]).candle(END) is None
    assert minute([(1, 10.0, 5, 1)]).candle(END) is None


def test_a_crypto_minute_without_prints_makes_a_bar_of_mid_prices_with_no_volume():
    bar = minute([], symbol="BTC/USD", quotes=[(1, 99, 101), (2, 101, 103), (3, 97, 99)]).candle(
        END
    )
    assert ohlcv(bar) == (100.0, 102.0, 98.0, 98.0, 0.0, 0)
    assert bar.vwap == 0.0


def test_a_late_print_changes_the_bar_only_once_it_is_public():
    late = minute([(1, 10.0, 100), (59, 12.0, 100, 0, 65)])
    assert ohlcv(late.candle(END)) == (10.0, 10.0, 10.0, 10.0, 100.0, 1)
    assert ohlcv(late.candle(END + 30 * NS_PER_S)) == (10.0, 12.0, 10.0, 12.0, 200.0, 2)


def cancellation(trade_id, *, at):
    return Cancellation("AAPL", at, at, trade_id, 12.0, 100.0, "V", "C")


def correction(trade_id, *, at):
    regular = ("@",)
    return Correction(
        "AAPL", at, at, trade_id, 12.0, 100.0, regular, 77, 11.5, 50.0, regular, "V", "C"
    )


def test_a_canceled_print_leaves_the_bar_and_stays_in_history_under_its_mark():
    at = START + 30 * NS_PER_S
    told = minute([(1, 10.0, 100), (2, 12.0, 100)], notices=(cancellation(2, at=at),))
    assert told.candle(at - 1).high == 12.0
    assert told.candle(at).high == 10.0
    assert [p.update for p in told.known_prints(at)] == ["", "canceled"]


def test_a_corrected_print_counts_as_corrected_and_both_are_in_history():
    at = START + 30 * NS_PER_S
    told = minute([(1, 10.0, 100), (2, 12.0, 100)], notices=(correction(2, at=at),))
    assert ohlcv(told.candle(at)) == (10.0, 11.5, 10.0, 11.5, 150.0, 2)
    kept = list(told.known_prints(at))
    assert [(p.trade_id, p.price, p.update) for p in kept] == [
        (1, 10.0, ""),
        (2, 12.0, "incorrect"),
        (77, 11.5, "corrected"),
    ]


def test_messages_come_in_the_order_they_are_public_and_a_quote_before_its_print():
    told = minute(
        [(1, 10.0, 100), (2, 11.0, 100, 0, 5), (3, 12.0, 100)], quotes=[(1, 9, 10), (4, 9, 11)]
    )
    kinds = [(type(m), m.published_ns - START) for m in told.messages(START, END)]
    assert kinds == [
        (TopOfBook, 1 * NS_PER_S),
        (Print, 1 * NS_PER_S),
        (Print, 3 * NS_PER_S),
        (TopOfBook, 4 * NS_PER_S),
        (Print, 5 * NS_PER_S),
    ]


def test_messages_of_a_span_are_those_public_in_it():
    told = minute([(1, 10.0, 100), (2, 11.0, 100), (3, 12.0, 100)])
    span = told.messages(START + 2 * NS_PER_S, START + 3 * NS_PER_S)
    assert [m.price for m in span] == [11.0]
