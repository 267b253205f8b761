"""`autohedge backtest` from a file of bars to a page, a journal for the auditor, and windows."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from api.cli.backtest.asked import BacktestCommand, read_data, spec_of
from api.cli.backtest.command import run_backtest
from api.cli.main import Exit, app, run
from backtest.controls.registration import registration_of, write
from domain.errors import ConfigError
from journal.audit.database import audit
from journal.database import JournalConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/backtest/run"))
from walks import written


@pytest.fixture
def bars(tmp_path):
    """A file of 130 daily bars."""
    return written(tmp_path, 130)


def asked(bars, **changes):
    fields = {"symbols": ("AAPL",), "data": str(bars), "costs": "stocks", "controls": "none"}
    fields |= {"settings": ("warmup=60",), "tries": bars.parent / "tries.jsonl"}
    return BacktestCommand(**{**fields, **changes})


def test_a_run_leaves_a_page_its_json_and_a_sound_journal(bars, tmp_path, capsys):
    """One command: the line, the page that shows it, and a chain that an auditor can walk."""
    files = {name: tmp_path / f"out.{name}" for name in ("html", "json", "sqlite3")}
    command = asked(bars, report=files["html"], json=files["json"], journal=files["sqlite3"])
    assert run_backtest(command)
    assert "rules: return" in capsys.readouterr().out
    told = json.loads(files["json"].read_bytes())
    assert len(dict(told["digests"])["journal's last hash"]) == 64
    assert "<html" in files["html"].read_text()[:300]
    found = asyncio.run(audit(JournalConfig(url=f"sqlite:///{files['sqlite3']}")))
    assert found.first_bad is None


def test_a_decision_of_a_named_journal_is_replayed_to_the_byte(bars, tmp_path, capsys, monkeypatch):
    """`--database` names the journal of one decision as it does of a span: here no bot ever ran."""
    told, journal = tmp_path / "out.json", tmp_path / "out.sqlite3"
    assert run_backtest(asked(bars, json=told, journal=journal))
    decision = json.loads(told.read_bytes())["decisions"][0]["id"]
    monkeypatch.chdir(tmp_path)
    words = ["replay", "--decision", decision, "--database", f"sqlite:///{journal}"]
    monkeypatch.setattr(sys, "argv", ["autohedge", *words])
    assert run(app) == Exit.WELL
    assert "the same to the byte" in capsys.readouterr().out


def test_costs_are_never_assumed(bars):
    """Without --costs nothing runs, and the line says what may stand there."""
    with pytest.raises(ConfigError, match="nothing is assumed") as refused:
        run_backtest(asked(bars, costs=""))
    assert "none" in refused.value.line


def test_a_journal_is_never_written_over(bars, tmp_path):
    """A second run into the same file is refused before it begins."""
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(b"kept")
    with pytest.raises(ConfigError, match="is there already"):
        run_backtest(asked(bars, journal=path))
    assert path.read_bytes() == b"kept"


def test_a_tape_is_played_tick_by_tick(bars, capsys):
    """The real ticks that travel with the project, to the rules, a moment at a time."""
    tape = Path(__file__).parents[2] / "exchange/tapes/es-2013-09.tape.zst"
    span = {"start": "2013-09-03T09:00:00Z", "end": "2013-09-03T10:15:00Z"}
    changes = {"symbols": ("ES",), "ticks": True, "latency_s": 0.5, **span}
    assert run_backtest(asked(bars, data=f"tape:{tape}", **changes))
    assert "rules: return" in capsys.readouterr().out


def test_a_warm_up_that_leaves_nothing_says_so(bars, tmp_path, capsys):
    """130 bars behind a warm-up of 130: the report used to show zero decisions and no reason."""
    page = tmp_path / "out.html"
    assert run_backtest(asked(bars, settings=("warmup=130",), report=page))
    shown = " ".join(capsys.readouterr().out.split())
    why = "the first 130 bars warm the indicators up, and AAPL has 130"
    assert f"EMPTY: nothing was decided: {why}" in shown
    assert why in page.read_text()


def test_windows_are_runs_of_their_own_whoever_performs_them(bars, capsys):
    """Two windows in this process: each has its own warm-up and its own digest."""
    command = asked(bars, analyst="policy:buy-and-hold", windows=2, jobs=1, settings=("warmup=50",))
    assert run_backtest(command)
    shown = capsys.readouterr().out
    assert "2020-01-02" in shown
    assert "2020-01-02: nothing was decided" not in shown
    assert "times one core" in shown


def test_a_window_without_bars_before_it_says_why_it_is_empty(bars, capsys):
    """The first of three has no bars before it to warm up on."""
    assert run_backtest(asked(bars, windows=3, jobs=1))
    shown = capsys.readouterr().out
    assert shown.count("nothing was decided: the first 60 bars") == 1
    assert "2020-01-02: nothing" in shown


def test_windows_say_what_is_odd_about_data_and_costs(bars, capsys):
    """A hole in the file and free trading are told of many runs as of one."""
    lines = bars.read_text().splitlines()
    bars.write_text("\n".join(lines[:50] + lines[80:]))
    assert run_backtest(asked(bars, costs="none", windows=2, jobs=1, analyst="policy:cash"))
    shown = capsys.readouterr().out
    assert "COSTS: NONE" in shown
    assert "data: GAP" in shown


def test_windows_refuse_what_they_would_not_write(bars, tmp_path):
    """A report that was asked for and never written would be missed too late."""
    page = tmp_path / "out.html"
    with pytest.raises(ConfigError, match="--report would stay without effect"):
        run_backtest(asked(bars, windows=2, jobs=1, report=page))


@pytest.mark.parametrize(
    ("idle", "told"),
    [
        ({"model": "gpt-5-mini"}, "--model"),
        ({"prompts": Path("prompts")}, "--prompts"),
        ({"budget": 5.0, "analyst": "policy:sma"}, "--budget"),
        ({"latency_s": 2.0, "analyst": "policy:sma"}, "--latency"),
        ({"ticks": True, "register": Path("claim.json")}, "--register"),
        ({"ticks": True, "controls": "C5"}, "--controls"),
        ({"ticks": True, "controls": "all"}, "--controls"),
        ({"windows": 2, "controls": "all"}, "--controls"),
    ],
)
def test_an_option_without_effect_is_refused_by_its_name(bars, idle, told):
    """A model beside the rules, a registration beside ticks: they were ignored in silence."""
    with pytest.raises(ConfigError, match=f"{told} would stay without effect"):
        run_backtest(asked(bars, **idle))


@pytest.mark.parametrize("wrong", [("--cash", "inf"), ("--latency", "-1"), ("--latency", "nan")])
def test_numbers_that_no_run_can_hold_are_refused(bars, wrong, capsys, monkeypatch):
    """Infinite money and answers before their questions end in one line, not in a traceback."""
    words = ["backtest", "--data", str(bars), "--costs", "stocks", "--controls", "none", *wrong]
    monkeypatch.setattr(sys, "argv", ["autohedge", *words])
    assert run(app) == Exit.SETTINGS
    assert wrong[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"analyst": "oracle"}, "no analyst"),
        ({"settings": ("max_drawdown=7",)}, "0 to 1"),
        ({"settings": ("speed=9",)}, "speed"),
        ({"settings": ("warmup=-3",)}, "warmup"),
        ({"settings": ("slots=0",)}, "slots"),
        ({"settings": ("multiplier=9",)}, "multiplier"),
        ({"settings": ("decision_deadline_s=0",)}, "decision_deadline_s"),
        ({"settings": ("confidence_floor=nan",)}, "confidence_floor"),
        ({"settings": ("fractional=maybe",)}, "fractional"),
        ({"interval": "fortnight"}, "interval"),
        ({"controls": "C12"}, "C12"),
        ({"analyst": "policy:luck"}, "luck"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(bars, wrong, told):
    """Each wrong word is named, with what may stand there."""
    with pytest.raises(ConfigError, match=told):
        run_backtest(asked(bars, **wrong))


def test_a_run_is_registered_counted_and_held_to_both(bars, tmp_path, capsys):
    """The second try of other costs is a second try; one that was not registered is exploratory."""
    register, told = tmp_path / "claim.json", tmp_path / "out.json"
    series, _ = read_data(asked(bars))
    spec = spec_of(asked(bars), series, "rules")
    claim = registration_of(spec, hypothesis="rules beat holding", primary="excess", n_tries=1)
    write(register, claim)
    lines = []
    for costs in ("stocks", "bps=5"):
        command = asked(
            bars, costs=costs, register=register, json=told, controls="C8,C11", random_traders=2
        )
        assert run_backtest(command)
        controls = json.loads(told.read_bytes())["controls"]
        lines.append({one["code"]: one["line"] for one in controls})
    capsys.readouterr()
    assert lines[0]["C11"].startswith("registered as ")
    assert lines[1]["C11"] == "exploratory: 2 tries, 1 registered"
    assert "2 configurations tried" in lines[1]["C8"]
