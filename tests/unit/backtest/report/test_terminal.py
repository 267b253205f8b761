"""The short form for a terminal."""

from __future__ import annotations

from io import StringIO

import msgspec
import numpy as np
import pytest
from rich.console import Console

from backtest.data import DataWarning
from backtest.records import Ended
from backtest.report import ReportInput, sheet_of, summary
from backtest.report.page import render
from backtest.report.writing import MINUS
from backtest.statistics.length import made_of


def printed(given: ReportInput) -> str:
    out = StringIO()
    summary(given, Console(file=out, width=100, force_terminal=False))
    return " ".join(out.getvalue().split())


def test_the_sentence_the_headline_and_the_controls_are_printed(given):
    """What matters fits a terminal."""
    told = printed(given)
    assert "not distinguishable from buy and hold" in told
    assert f"{MINUS}0.41 to 1.75" in told
    assert "FAILED" in told
    assert "NOTIONAL_EXCEEDS_MAX 66" in told
    assert "d" * 64 in told


def test_a_strangers_words_neither_colour_nor_steer_the_terminal(make_result, given):
    """Escapes and markup of a note or a warning are taken away."""
    result = make_result(ended=Ended.ANALYST_FAILED, note="\x1b[2J[red]gone[/red]")
    warned = DataWarning(code="GAP", symbol="BBB", message="\x1b]0;title\x07[link=x]row[/link]")
    told = printed(ReportInput(result=result, evidence=given.evidence, warnings=(warned,)))
    assert "\x1b" not in told
    assert "[red]gone[/red]" in told
    assert "[link=x]row[/link]" in told


def test_only_some_of_many_warnings_are_printed(make_result):
    """The rest is counted: it stands in the report."""
    many = tuple(DataWarning(code="GAP", symbol="BBB", message=f"row {row}") for row in range(50))
    told = printed(ReportInput(result=make_result(), warnings=many))
    assert told.count("GAP") == 8
    assert "42 more warnings" in told


def test_a_short_run_says_so_beside_its_figures_a_year(make_result):
    """Six days printed a Sharpe ratio as if they were years; now each says what it is made of."""
    short = ReportInput(result=make_result(6))
    told = printed(short)
    assert "SHORT: figures a year are made of 6 returns over 6 days" in told
    assert told.count("from 6 returns over 6 days") == 3  # volatility, Sharpe ratio, turnover
    sheet = sheet_of(short)
    assert sheet.rows[0].made_of == "6 returns over 6 days"
    assert sheet.rows[0].figures.cagr is None
    assert "6 returns over 6 days" in render(sheet)
    assert "SHORT" not in printed(ReportInput(result=make_result(100)))


def test_orders_that_were_cut_are_told(make_result):
    """A policy that the volume holds back did not do what it wanted: the reader must know."""
    spec = make_result().spec
    given = ReportInput(result=make_result(n_orders=40, n_cut=12))
    why = f"12 of 40 orders were filled in part at first, by the cap of {spec.costs.volume_cap:.0%}"
    assert why in printed(given)
    assert why in render(sheet_of(given)).replace("&#39;", "'")
    assert sheet_of(given).n_cut == 12
    assert "filled in part" not in printed(ReportInput(result=make_result(n_orders=40)))


@pytest.mark.parametrize(
    ("n", "interval_s", "periods", "told"),
    [
        (0, 86_400, 252.0, "no return"),
        (1, 86_400, 252.0, "1 return over 1 day"),
        (62, 86_400, 252.0, "62 returns over 62 days"),
        (63, 86_400, 252.0, None),
        (59, 7 * 86_400, 52.0, "59 returns over 65 days"),
    ],
)
def test_short_is_few_returns_or_little_time(make_result, n, interval_s, periods, told):
    """A quarter of sessions is enough, a year of weeks is few."""
    result = make_result(n)
    object.__setattr__(result, "spec", msgspec.structs.replace(result.spec, interval_s=interval_s))
    assert made_of(result, periods) == told


def test_minutes_are_told_as_what_they_last(make_result):
    """Ninety returns of a minute are an hour and a half, however many a year holds."""
    ts_ns = np.arange(90) * 60_000_000_000
    result = make_result(90, ts_ns=ts_ns)
    object.__setattr__(result, "spec", msgspec.structs.replace(result.spec, interval_s=60))
    assert made_of(result, 525_600.0) == "90 returns over 1.5 hours"
