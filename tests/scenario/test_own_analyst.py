"""An analyst of one's own that raises: one line that names the place, no traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from api.cli.main import Exit, app, run
from backtest.run.running import Means
from backtest.run.running import run as play

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/backtest/run"))
from walks import spec_of, walk

GOLDEN = Path(__file__).parents[1] / "golden/windows"
CODE = '''
class Class:
    """Wrong in its third line."""

    async def answer(self, brief):
        return helper(brief.window.bars[-1])


def helper(bar):
    return {"action": bar.nothing}
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with `bad.py`, which a person stands in."""
    (tmp_path / "bad.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("bad", None)


def typed(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["autohedge", *words])
    return run(app)


def test_an_error_in_ones_own_analyst_names_its_line(own, monkeypatch, capsys):
    """`replay FILE` ended in a traceback through the graph; the line that is wrong stood last."""
    window = str(GOLDEN / "order.json")
    assert typed(monkeypatch, "replay", window, "--analyst", "bad:Class") == Exit.SETTINGS
    shown = capsys.readouterr()
    assert "abstained ANALYST_RAISED" in shown.out
    (line,) = shown.err.splitlines()
    assert line.startswith("ANALYST_RAISED: bad:Class raised AttributeError: ")
    assert "(bad.py, line 10)" in line
    assert "Traceback" not in shown.err


def test_a_span_that_an_own_analyst_fails_counts_failed_and_says_the_line_once(
    own, tmp_path, monkeypatch, capsys
):
    """Many decisions, one wrong line: it is told once, and none of them counts as an answer."""
    series = walk("AAPL", 66)
    play([series], spec_of(series), Means(journal=tmp_path / "journal.sqlite3"))
    words = ("--since", "2019-01-01", "--database", f"sqlite:///{tmp_path / 'journal.sqlite3'}")
    assert typed(monkeypatch, "replay", *words, "--analyst", "bad:Class") == Exit.SETTINGS
    shown = capsys.readouterr()
    assert shown.err.count("line 10") == 2  # as the fault, and as what ended the command
    assert "Traceback" not in shown.err
