"""Planted faults: each is refused or told of, with the row that it stands in."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtest.data import load

HEAD = "date,open,high,low,close,volume"


def day(n, close=100.0, *, open_=None, high=None, low=None, volume=1_000):
    """Write one of January 2024's days."""
    open_ = close if open_ is None else open_
    high = max(open_, close) if high is None else high
    low = min(open_, close) if low is None else low
    return f"2024-01-{n:02d},{open_},{high},{low},{close},{volume}"


SESSIONS = (2, 3, 4, 5, 8, 9, 10, 11, 12, 16, 17, 18)


def codes(warnings):
    return [each.code for each in warnings]


def one(warnings, code):
    (found,) = [each for each in warnings if each.code == code]
    return found


def test_clean_bars_come_as_they_are_and_nothing_is_told(write):
    path = write(HEAD, *(day(n, 100.0 + n) for n in SESSIONS))
    (series,), warnings = load(str(path))
    assert warnings == []
    assert series.symbol == "AAPL"
    assert series.interval_s == 86_400
    assert list(series.close) == [100.0 + n for n in SESSIONS]
    assert series.ts_ns[0] == 1_704_171_600_000_000_000, "midnight in New York"
    assert series.source == "AAPL.csv"


@pytest.mark.parametrize(
    ("row", "code", "value"),
    [
        (day(9, -3.0), "PRICE_INVALID", "open -3"),
        (day(9, 0.0), "PRICE_INVALID", "open 0"),
        ("2024-01-09,,1,1,1,1", "PRICE_INVALID", "open nan"),
        ("2024-01-09,1,inf,1,1,1", "PRICE_INVALID", "high inf"),
        (day(9, 100.0, volume=-1), "VOLUME_INVALID", "volume -1"),
        (day(9, 100.0, high=90.0, low=110.0), "BAR_IMPOSSIBLE", "h 90 l 110"),
        ("2024-01-09,12,5,1,1,1,1", "ROW_BROKEN", "2024-01-09"),
        ("2024-01-09,1,1,1,N/D,1", "NUMBER_UNREADABLE", "N/D"),
        ("2024-01-09,1,1,1,1_0,1", "NUMBER_UNREADABLE", "1_0"),
        ("soon,1,1,1,1,1", "TIME_UNREADABLE", "soon"),
        ("2024-01-45,1,1,1,1,1", "TIME_UNREADABLE", "2024-01-45"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_its_number(write, refused, row, code, value):
    path = write(HEAD, day(2), day(3), "", day(4), row, day(10))
    error = refused(path)
    assert error.code == code
    assert "AAPL.csv row 6" in error.line
    assert value in error.line


def test_all_bad_rows_are_counted_and_the_first_are_named(write, refused):
    path = write(HEAD, day(2), *(day(n, -1.0) for n in (3, 4, 5, 8, 9)), day(10))
    error = refused(path)
    assert "AAPL.csv row 3, 2024-01-03: open -1" in error.line
    assert "and 2 more" in error.line


def test_a_negative_price_outside_the_period_hurts_nobody(write):
    path = write(HEAD, day(2, -1.0), day(3), day(4), day(5))
    (series,), _ = load(str(path), start="2024-01-03")
    assert len(series.close) == 3


def test_rows_out_of_order_are_sorted_and_named(write):
    path = write(HEAD, day(2), day(4), day(3), day(5))
    (series,), warnings = load(str(path))
    told = one(warnings, "ROWS_OUT_OF_ORDER")
    assert [(row.row, row.time) for row in told.rows] == [(4, "2024-01-03")]
    assert np.all(np.diff(series.ts_ns) > 0)


def test_a_file_with_the_newest_first_is_turned_round(write):
    path = write(HEAD, day(4, 11.0), day(3, 10.5), day(2, 10.0))
    (series,), warnings = load(str(path))
    assert codes(warnings) == ["ROWS_REVERSED"]
    assert list(series.close) == [10.0, 10.5, 11.0]


def test_a_row_that_is_repeated_counts_once(write):
    path = write(HEAD, day(2), day(3), day(3), day(4))
    (series,), warnings = load(str(path))
    assert [row.row for row in one(warnings, "ROWS_REPEATED").rows] == [4]
    assert len(series.ts_ns) == 3


def test_two_different_bars_of_one_day_are_refused_with_both_rows(write, refused):
    error = refused(write(HEAD, day(2), day(3, 100.0), day(3, 101.0), day(4)))
    assert error.code == "ROWS_CONTRADICT"
    assert "row 3" in error.line
    assert "row 4" in error.line


def test_a_close_outside_its_range_widens_it(write):
    path = write(HEAD, day(2), day(3, 100.0, high=99.0, low=98.0), day(4))
    (series,), warnings = load(str(path))
    assert [row.row for row in one(warnings, "BAR_WIDENED").rows] == [3]
    assert series.high[1] == 100.0


def test_one_row_is_no_history(write, refused):
    error = refused(write(HEAD, day(2)))
    assert error.code == "ONE_ROW"


def test_bars_of_two_lengths_in_one_file_are_refused(write, refused):
    hours = [f"2024-01-02T{hour}:00:00Z,1,1,1,1,1" for hour in (15, 16, 17)]
    error = refused(write(HEAD, *hours, "2024-01-02T17:30:00Z,1,1,1,1,1"))
    assert error.code == "INTERVALS_MIXED"
    assert "row 5" in error.line


# -- the table itself


def test_a_missing_column_is_named_with_its_spellings(write, refused):
    error = refused(write("date,open,high,close,volume", "2024-01-02,1,1,1,1"))
    assert error.code == "COLUMN_MISSING"
    assert "low" in error.line
    assert "'date', 'open', 'high', 'close', 'volume'" in error.line


def test_a_file_without_header_says_so_by_what_it_holds(write, refused):
    error = refused(write("2024-01-02,1,1,1,1,1", "2024-01-03,1,1,1,1,1"))
    assert error.code == "COLUMN_MISSING"
    assert "'2024-01-02'" in error.line


@pytest.mark.parametrize(
    "head",
    [
        "timestamp,o,h,l,c,v",
        "Date;Open;High;Low;Close;Volume",
        "\ufeffOpen time\tOpen Price\tHIGH\tLow_Price\tlast\tVol",
        "time|symbol|open|high|low|close|volume|Adj Close",
    ],
)
def test_strangers_spellings_and_delimiters_are_understood(write, head):
    delimiter = next(each for each in ";\t|," if each in head)
    cells = ["2024-01-02", "AAPL", "2", "3", "1", "2.5", "7", "1"]
    if "symbol" not in head:
        del cells[7], cells[1]
    later = ["2024-01-03", *cells[1:]]
    path = write(head, delimiter.join(cells), delimiter.join(later))
    (series,), _ = load(str(path))
    columns = (series.open, series.high, series.low, series.close, series.volume)
    assert [column[0] for column in columns] == [2, 3, 1, 2.5, 7]


def test_two_columns_of_one_name_are_refused(write, refused):
    error = refused(write("date,close,close", "2024-01-02,1,2", "2024-01-03,1,2"))
    assert error.code == "COLUMN_TWICE"
    assert "'close'" in error.line


def test_closes_alone_that_are_negative_are_told_as_closes(write, refused):
    """There is no open in the file that a person could look for."""
    assert "close -1" in refused(write("date,close", "2024-01-02,1", "2024-01-03,-1")).line


def test_a_header_without_rows_is_refused_for_that(write, refused):
    """With a column for the symbol it ended in a traceback."""
    assert refused(write(HEAD)).code == "DATA_EMPTY"
    assert refused(write(f"{HEAD},symbol")).code == "DATA_EMPTY"


def test_a_column_that_holds_lists_is_refused(tmp_path, refused):
    days = ["2024-01-02", "2024-01-03"]
    pq.write_table(pa.table({"date": days, "close": [[1.0], [2.0]]}), tmp_path / "A.parquet")
    error = refused(tmp_path / "A.parquet")
    assert error.code == "COLUMN_UNREADABLE"
    assert "list" in error.line


def test_no_file_an_empty_file_and_bytes_that_are_no_text_are_refused(tmp_path, refused):
    assert refused(tmp_path / "none.csv").code == "DATA_UNREADABLE"
    (tmp_path / "empty.csv").write_bytes(b"")
    assert refused(tmp_path / "empty.csv").code == "DATA_UNREADABLE"
    (tmp_path / "odd.csv").write_bytes(b"\xff\xfe\x00\x01,\n\xff")
    assert refused(tmp_path / "odd.csv").code in {"DATA_UNREADABLE", "COLUMN_MISSING"}
    (tmp_path / "bytes.csv").write_bytes(bytes(range(256)) * 10)
    assert "no text" in refused(tmp_path / "bytes.csv").line
    (tmp_path / "excel.csv").write_text("date,close\n2024-01-02,1\n", encoding="utf-16")
    assert "no text" in refused(tmp_path / "excel.csv").line
    (tmp_path / "odd.parquet").write_bytes(b"PAR1")
    assert refused(tmp_path / "odd.parquet").code == "DATA_UNREADABLE"
    assert refused(tmp_path / "odd.xlsx").code == "DATA_UNKNOWN"


def test_a_period_without_data_is_refused_and_says_which(write, refused):
    path = write(HEAD, day(2), day(3))
    error = refused(path, (), "2030-01-01")
    assert error.code == "PERIOD_EMPTY"
    assert "2030-01-01 to the end" in error.line
    assert refused(path, (), "2024-02-01", "2024-01-01").code == "PERIOD_INVALID"
    assert refused(path, (), "tomorrow").code == "PERIOD_INVALID"


def test_a_symbol_that_is_not_there_is_refused_and_says_what_is(write, refused):
    error = refused(write(HEAD, day(2), day(3)), ("MSFT",))
    assert error.code == "SYMBOL_UNKNOWN"
    assert "AAPL" in error.line


def test_an_end_given_as_a_date_is_that_day_too(write):
    path = write(HEAD, *(day(n) for n in SESSIONS))
    (series,), _ = load(str(path), start="2024-01-03", end="2024-01-05")
    assert len(series.ts_ns) == 3
