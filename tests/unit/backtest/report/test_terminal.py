"""The short form for a terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from backtest.data import DataWarning
from backtest.records import Ended
from backtest.report import ReportInput, summary
from backtest.report.writing import MINUS


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
