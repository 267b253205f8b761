"""The one way in: every kind of source gives the same series, cut, joined and made longer alike."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.data import Reading, align, between, load, resample, stream, windows
from backtest.data.checks.series import digest_of
from backtest.records import Series
from domain.errors import ConfigError
from domain.market import Trade, TradeCanceled
from domain.records import NS_PER_S, format_ns, parse_ns
from exchange.tapes import ES_TAPE

COLUMNS = ("open", "high", "low", "close", "volume")
MINUTE = 60 * NS_PER_S


def series_of(ts_ns, closes, *, symbol="BTC/USD", interval_s=60):
    close = np.asarray(closes, dtype=np.float64)
    columns = {"ts_ns": np.asarray(ts_ns, dtype=np.int64), "open": close, "high": close + 1}
    columns |= {"low": close - 1, "close": close, "volume": np.ones(len(close))}
    digest = digest_of(symbol, interval_s, columns)
    return Series(
        symbol=symbol, interval_s=interval_s, source="s", licence="l", digest=digest, **columns
    )


ROWS = "time,open,high,low,close,volume\n" + "".join(
    f"2024-03-0{day}T00:00:00Z,1,2,1,1.5,10\n" for day in range(1, 6)
)
PACKED = {".csv.gz": gzip.compress, ".csv.zst": zstandard.ZstdCompressor().compress}


@pytest.mark.parametrize("ending", PACKED)
def test_a_packed_csv_is_read_like_a_plain_one(tmp_path, ending):
    """Who keeps years of minutes keeps them packed; the plain ending alone was known."""
    (tmp_path / "BTC-USD.csv").write_text(ROWS)
    (plain,), _ = load(f"csv:{tmp_path / 'BTC-USD.csv'}")
    packed = tmp_path / "packed" / f"BTC-USD{ending}"
    packed.parent.mkdir()
    packed.write_bytes(PACKED[ending](ROWS.encode()))
    for spec in (str(packed), f"csv:{packed}", str(packed.parent), f"csv:{packed.parent}"):
        (one,), _ = load(spec)
        assert (one.symbol, one.digest) == ("BTC/USD", plain.digest)


@pytest.mark.parametrize("ending", PACKED)
def test_a_packed_csv_that_is_cut_off_is_refused(tmp_path, refused, ending):
    """A download that broke off is no short history: much of it can be unpacked."""
    prices = np.random.default_rng(1).uniform(1, 2, 50_000)
    rows = "".join(f"{1_600_000_000 + 60 * n},{price}\n" for n, price in enumerate(prices))
    path, whole = tmp_path / f"BTC-USD{ending}", PACKED[ending](f"time,close\n{rows}".encode())
    path.write_bytes(whole)
    (series,), _ = load(str(path))
    assert len(series.close) == len(prices)
    path.write_bytes(whole[: len(whole) * 3 // 4])
    error = refused(str(path))
    assert error.code == "DATA_UNREADABLE"
    assert path.name in error.line


PRICES = st.floats(0.01, 1e5, allow_nan=False)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(PRICES, PRICES, PRICES, st.floats(0, 1e9)), min_size=2, max_size=30))
def test_bars_written_to_csv_and_parquet_are_read_back_to_the_bit(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("round")
    ts_ns = parse_ns("2024-03-01T00:00:00Z") + np.arange(len(drawn)) * MINUTE
    table = {
        "time": pa.array(ts_ns, pa.timestamp("ns", tz="UTC")),
        "open": [row[0] for row in drawn],
        "high": [max(row[:3]) for row in drawn],
        "low": [min(row[:3]) for row in drawn],
        "close": [row[2] for row in drawn],
        "volume": [row[3] for row in drawn],
    }
    pq.write_table(pa.table(table), folder / "BTC-USD.parquet")
    lines = [",".join(table)]
    lines += [
        ",".join([format_ns(int(ts)), *(repr(table[name][at]) for name in COLUMNS)])
        for at, ts in enumerate(ts_ns)
    ]
    (folder / "BTC-USD.csv").write_text("\n".join(lines), encoding="utf-8")
    (one,), _ = load(f"parquet:{folder}")
    (other,), _ = load(f"csv:{folder}")
    assert one.symbol == other.symbol == "BTC/USD"
    assert one.ts_ns.tolist() == ts_ns.tolist()
    assert one.close.tolist() == table["close"]
    assert one.digest == other.digest


def test_a_file_of_many_symbols_gives_each_its_series_and_only_those_asked(write):
    lines = ["date,ticker,close"]
    lines += [f"2024-01-{day:02d},{name},{day}" for day in (2, 3, 4) for name in ("B", "A", "C")]
    path = write(*lines)
    series, _ = load(str(path))
    assert [each.symbol for each in series] == ["A", "B", "C"]
    asked, _ = load(str(path), ("C", "A"))
    assert [each.symbol for each in asked] == ["C", "A"]
    (only,), warnings = load(str(path), ("C",))
    assert only.close.tolist() == [2, 3, 4]
    assert {each.symbol for each in warnings} <= {"C"}


def test_a_symbol_in_two_files_of_a_folder_is_refused(tmp_path, refused):
    for name in ("A.csv", "A.parquet"):
        table = pa.table({"date": ["2024-01-02", "2024-01-03"], "close": [1.0, 1.0]})
        if name.endswith("parquet"):
            pq.write_table(table, tmp_path / name)
        else:
            (tmp_path / name).write_text("date,close\n2024-01-02,1\n2024-01-03,1\n")
    error = refused(tmp_path)
    assert error.code == "SYMBOL_TWICE"
    assert "A.csv" in error.line
    assert "A.parquet" in error.line
    assert len(load(f"csv:{tmp_path}")[0]) == 1


def test_what_is_true_of_many_symbols_is_said_once(write):
    lines = ["date,ticker,close"]
    lines += [f"2024-01-{day:02d},S{n},1" for day in (2, 3) for n in range(9)]
    _, warnings = load(str(write(*lines)))
    assert [each.code for each in warnings] == ["VOLUME_UNKNOWN", "CLOSES_ONLY"]
    assert warnings[0].line.startswith("S0, S1, S2, S3, S4 and 4 more: volumes are unknown")


@pytest.mark.parametrize("spec", ["nowhere", "ftp:x", "prices.xlsx", "tape:none.zst", "csv:none"])
def test_what_names_no_data_is_one_line(refused, tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as told:
        load(spec)
    assert "\n" not in told.value.line


# -- ticks


def test_a_tapes_ticks_become_the_bars_that_live_ticks_would():
    """Regular hours alone make a stock's bars, whatever the tape holds before 9:30."""
    (played,), warnings = load(str(ES_TAPE), end="2013-09-03T13:33:00Z")
    assert (played.symbol, played.interval_s, len(played.ts_ns)) == ("ES", 60, 3)
    assert played.close.tolist() == [1648.0, 1648.0, 1648.75]
    assert played.volume.tolist() == [22_889, 29_140, 13_317]
    assert warnings == []
    assert "bars made of ticks" in played.source
    assert "MIT" in played.licence


def test_a_stream_gives_moments_in_order_and_no_other_symbols():
    moments = list(stream(str(ES_TAPE), ("ES",), end="2013-09-03T08:05:00Z"))
    times = [moment.ts_ns for moment in moments]
    assert times == sorted(times)
    assert all(isinstance(event, Trade) for moment in moments for event in moment.events)
    assert list(stream(str(ES_TAPE), ("AAPL",), end="2013-09-03T08:05:00Z")) == []
    with pytest.raises(ConfigError) as told:
        next(stream("package:skfolio"))
    assert told.value.code == "DATA_KIND"


def tape(path, *lines):
    header = {"tape": 1, "source": "test", "licence": "none", "origin_ns": 0}
    text = "\n".join(json.dumps(line) for line in (header, *lines)) + "\n"
    path.write_bytes(zstandard.ZstdCompressor().compress(text.encode()))
    return path


def frame(ts_ns, **fields):
    return {"r": ts_ns, "c": "crypto", "f": [{"S": "BTC/USD", "t": format_ns(ts_ns), **fields}]}


def test_a_print_taken_back_is_in_no_bar(tmp_path):
    start = parse_ns("2024-03-01T10:00:00Z")
    prints = [
        frame(start + at * NS_PER_S, T="t", p=price, s=1.0, i=at, tks="B")
        for at, price in enumerate([100.0, 999.0, 101.0])
    ]
    undone = frame(start + 5 * NS_PER_S, T="x", p=999.0, s=1.0, i=1, x="V", a="C", z="")
    later = frame(start + 70 * NS_PER_S, T="t", p=102.0, s=1.0, i=9, tks="B")
    path = tape(tmp_path / "a.tape.zst", *prints, undone, later)
    kinds = [type(event) for moment in stream(str(path)) for event in moment.events]
    assert kinds.count(TradeCanceled) == 1
    (bars,), _ = load(str(path))
    assert bars.high.tolist() == [101.0, 102.0]
    assert bars.volume.tolist() == [2.0, 1.0]


def test_messages_that_cannot_be_read_are_counted(tmp_path):
    start = parse_ns("2024-03-01T10:00:00Z")
    good = {"T": "t", "p": 1.0, "s": 1.0, "i": 1, "tks": "B"}
    lines = [
        frame(start, **good),
        frame(start + 1, **{**good, "p": "dear"}),
        frame(start + 2, T="?"),
    ]
    _, warnings = load(str(tape(tmp_path / "a.tape.zst", *lines)))
    (told,) = warnings
    assert told.code == "MESSAGES_UNREAD"
    assert told.line == "a.tape.zst: 2 messages unread (kind_unknown 1, message_malformed 1)."


@pytest.mark.parametrize("price", [0.0, -5.0])
def test_a_print_at_no_price_is_refused_by_its_number_and_time(tmp_path, refused, price):
    start = parse_ns("2024-03-01T10:00:00Z")
    lines = [
        frame(start + at, T="t", p=p, s=1.0, i=at, tks="B") for at, p in ((1, 1.0), (2, price))
    ]
    error = refused(tape(tmp_path / "a.tape.zst", *lines))
    assert error.code == "PRICE_INVALID"
    assert "trade 2 at 2024-03-01T10:00:00Z" in error.line


def test_days_made_of_ticks_begin_with_their_market(tmp_path):
    """The aggregator's own days would begin at midnight UTC, the evening before in New York."""
    start = parse_ns("2024-07-02T13:30:00Z")
    prints = [
        {"r": start + n * MINUTE, "c": "stocks", "f": [stock_print(start + n * MINUTE, n)]}
        for n in range(3)
    ]
    (day,), _ = load(str(tape(tmp_path / "a.tape.zst", *prints)), how=Reading(interval_s=86_400))
    assert [format_ns(ts)[:16] for ts in day.ts_ns.tolist()] == ["2024-07-02T04:00"]
    assert (day.open[0], day.close[0], day.volume[0]) == (100.0, 102.0, 3.0)


def stock_print(ts_ns, n):
    stamp = format_ns(ts_ns)
    return {
        "T": "t",
        "S": "A",
        "i": n,
        "x": "V",
        "p": 100.0 + n,
        "s": 1,
        "c": ["@"],
        "z": "C",
        "t": stamp,
    }


def test_a_tape_that_runs_backwards_is_refused_by_its_line(tmp_path, refused):
    start = parse_ns("2024-03-01T10:00:00Z")
    lines = [frame(start + at, T="t", p=1.0, s=1.0, i=at, tks="B") for at in (5, 9, 7)]
    error = refused(tape(tmp_path / "a.tape.zst", *lines))
    assert error.code == "TAPE_DISORDERED"
    assert "line 4" in error.line


# -- longer bars, one calendar, windows


def test_longer_bars_keep_extremes_and_sums():
    start = parse_ns("2024-03-01T10:00:00Z")
    five = resample(series_of(start + np.arange(10) * MINUTE, np.arange(10.0)), 300)
    assert five.interval_s == 300
    assert five.ts_ns.tolist() == [start, start + 5 * MINUTE]
    assert five.open.tolist() == [0, 5]
    assert five.high.tolist() == [5, 10]
    assert five.low.tolist() == [-1, 4]
    assert five.close.tolist() == [4, 9]
    assert five.volume.tolist() == [5, 5]


def test_a_stocks_day_is_made_of_regular_hours_and_begins_at_new_yorks_midnight():
    start = parse_ns("2024-07-02T13:00:00Z")
    day = resample(series_of(start + np.arange(60) * MINUTE, np.arange(60.0), symbol="A"), 86_400)
    assert [format_ns(ts)[:16] for ts in day.ts_ns.tolist()] == ["2024-07-02T04:00"]
    assert day.open.tolist() == [30.0]


def test_what_lies_outside_regular_hours_makes_no_bar_and_says_so(tmp_path, refused):
    """2024-07-06 was a Saturday."""
    start = parse_ns("2024-07-06T14:00:00Z")
    with pytest.raises(ConfigError) as told:
        resample(series_of(start + np.arange(9) * MINUTE, np.arange(9.0), symbol="A"), 300)
    assert told.value.code == "PERIOD_EMPTY"
    night = {"r": start, "c": "stocks", "f": [stock_print(start, 1)]}
    error = refused(tape(tmp_path / "a.tape.zst", night), ("A",))
    assert (error.code, "no bar of A" in error.line) == ("DATA_EMPTY", True)


def test_weeks_begin_with_monday():
    days = np.arange(10) * 86_400 * NS_PER_S + parse_ns("2024-07-03T00:00:00Z")
    weeks = resample(series_of(days, np.arange(10.0), interval_s=86_400), 7 * 86_400)
    starts = [format_ns(ts)[:10] for ts in weeks.ts_ns.tolist()]
    assert starts == ["2024-07-01", "2024-07-08"]


@pytest.mark.parametrize("interval_s", [30, 90, 2 * 86_400])
def test_intervals_that_cannot_be_made_are_refused(interval_s):
    with pytest.raises(ConfigError) as told:
        resample(series_of([0, MINUTE], [1, 1]), interval_s)
    assert told.value.code == "INTERVAL_INVALID"


def test_the_asked_interval_holds_for_files_too(write):
    times = [f"2024-07-0{day}" for day in (1, 2, 3, 8)]
    path = write("date,close", *(f"{time},1" for time in times))
    (weeks,), _ = load(str(path), how=Reading(interval_s=7 * 86_400))
    assert len(weeks.ts_ns) == 2


@given(
    st.sets(st.integers(0, 40), min_size=2, max_size=30),
    st.sets(st.integers(0, 40), min_size=2, max_size=30),
)
def test_aligned_symbols_share_their_times_and_lose_nothing_else(one, other):
    first = series_of(np.array(sorted(one)) * MINUTE, sorted(one))
    second = series_of(np.array(sorted(other)) * MINUTE, sorted(other), symbol="ETH/USD")
    common = sorted(one & other)
    if not common:
        with pytest.raises(ConfigError):
            align([first, second])
        return
    kept, warnings = align([first, second])
    assert all((each.ts_ns // MINUTE).tolist() == common for each in kept)
    assert all(each.close.tolist() == common for each in kept)
    assert len(warnings) == (len(one) > len(common)) + (len(other) > len(common))
    assert (kept[0].digest == first.digest) == (len(one) == len(common))


@given(st.integers(1, 12), st.integers(12, 40))
def test_windows_hold_every_bar_once_in_order(count, n):
    whole = series_of(np.arange(n) * MINUTE, np.arange(n))
    part = between(whole, 0, 3 * MINUTE)
    cut = windows([whole, part], count)
    assert len(cut) == count
    joined = np.concatenate([window[0].close for window in cut])
    assert joined.tolist() == list(range(n))
    sizes = [len(window[0].ts_ns) for window in cut]
    assert max(sizes) - min(sizes) <= 1
