"""A session held against its simulation: the journal against itself, and against a dearer one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from api.cli.main import app
from api.cli.shell import run
from api.cli.study.sides import read_side
from backtest.records import (
    Costs,
    CostsPaid,
    DecisionRow,
    Ended,
    FillRow,
    RunResult,
    RunSpec,
)
from backtest.report import ReportInput, write_json
from domain.records import format_ns
from exchange.config import seeded_crypto, seeded_stock
from journal.reads.report import Span
from tests.unit.backtest.run.conftest import walk


def backtest_of(side, *, worse: float) -> RunResult:
    """A backtest that decided as a side did, and whose fills were so much of the price dearer."""
    symbols = tuple(sorted({step.symbol for step in side.steps}))
    spec = RunSpec(
        analyst="recorded",
        symbols=symbols,
        start="2026-01-01T00:00:00Z",
        end="2026-12-31T00:00:00Z",
        interval_s=1,
        costs=Costs(name="retail"),
        cash=100_000.0,
        seed=1,
        analyst_latency_s=0.0,
        data=(),
    )
    decisions = tuple(
        DecisionRow(
            ts_ns=step.as_of_ns,
            symbol=step.symbol,
            id=step.id,
            action=step.action,
            outcome=step.outcome,
            reason_code=step.code,
            confidence=0.9,
            thesis="",
            price=step.price,
            cost_usd=step.model_usd,
        )
        for step in side.steps
    )
    fills = tuple(
        FillRow(
            ts_ns=fill.ts_ns,
            symbol=fill.symbol,
            quantity=fill.quantity,
            price=fill.price * (1 + worse * (1 if fill.quantity > 0 else -1)),
            reference_price=fill.reference or fill.price,
            leg=fill.leg,
            decision_id=fill.step_id,
            costs=CostsPaid(venue_fees=fill.fee_usd),
        )
        for fill in side.executions
    )
    ts_ns = np.array([step.as_of_ns for step in side.steps])
    flat = np.full(len(ts_ns), 100_000.0)
    return RunResult(
        spec=spec,
        ended=Ended.COMPLETE,
        digest="d" * 64,
        ts_ns=ts_ns,
        equity=flat,
        cash=flat,
        exposure=flat * 0,
        fills=fills,
        decisions=decisions,
        denials={},
        paid=CostsPaid(),
    )


@pytest.fixture
async def journal(open_house, until):
    """The journal of a session that bought."""
    symbols = (
        seeded_stock("AAPL", 228.0, volatility_bps=20.0, prints_per_s=6.0),
        seeded_crypto("BTC/USD", 86e3, volatility_bps=20.0, prints_per_s=6.0),
    )
    async with open_house(*symbols) as house:
        house.model.wants |= {"AAPL": "buy", "BTC/USD": "buy"}
        async with house.bot() as process:
            await until(lambda: house.held("AAPL") and house.held("BTC/USD"), 60)
            await process.bot.stop(actor="test")
        yield house.journal


async def test_a_session_agrees_with_itself_and_differs_from_a_dearer_simulation(
    journal, tmp_path, capsys
):
    """What a simulation paid less or more is found in the fills, to the dollar."""

    async def compared(other, *options):
        command = ["compare", str(journal), str(other), "--json", *options]
        code = await asyncio.to_thread(run, lambda: app(command))
        return code, json.loads(capsys.readouterr().out)

    code, found = await compared(journal)
    assert (code, found["usd"], found["changed"], found["only_live"]) == (0, 0, 0, 0)
    assert found["matched"] >= 2

    side = await read_side(str(journal), Span())
    traded = sum(abs(fill.quantity * fill.price) for fill in side.executions)
    assert traded > 0
    simulation = tmp_path / "backtest.json"
    write_json(simulation, ReportInput(result=backtest_of(side, worse=0.001)))
    code, found = await compared(simulation)
    assert code == 1
    assert found["usd_by_cause"]["fill"] == pytest.approx(traded * 0.001, rel=1e-6)
    assert found["usd"] == pytest.approx(found["usd_by_cause"]["fill"])
    worse = found["slippage_simulated_bps"] - found["slippage_live_bps"]
    assert worse == pytest.approx(10, abs=0.1), "ten basis points dearer"

    code, found = await compared(simulation, "--tolerance", str(traded * 0.0011))
    assert code == 0


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("nothing.sqlite3", 4, "no journal"),
        ("nothing.json", 2, "cannot be read"),
        ("broken.json", 2, "no backtest's JSON"),
        ("empty.json", 2, "no decision"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_line(
    name, code, said, tmp_path, monkeypatch, capsys
):
    """A wrong file is named, with what to do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text('{"interval_s": 60}')
    (tmp_path / "empty.json").write_text('{"interval_s": 60, "decisions": [], "fills": []}')
    assert run(lambda: app(["compare", name, name])) == code
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


@pytest.fixture
def backtest(tmp_path, monkeypatch, capsys):
    """`backtest(name, costs, analyst)`: run made-up months; returns the journal and the JSON."""
    monkeypatch.chdir(tmp_path)
    series = walk("AAPL", 160)
    columns = (series.open, series.high, series.low, series.close, series.volume)
    rows = zip((format_ns(ts) for ts in series.ts_ns.tolist()), *columns, strict=True)
    lines = ["time,open,high,low,close,volume", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "AAPL.csv").write_text("\n".join(lines))

    def made(name, costs, analyst):
        journal, told = f"{name}.sqlite3", f"{name}.json"
        command = ["backtest", "AAPL", "--data", "AAPL.csv", "--controls", "none"]
        command += ["--set", "warmup=60", "--set", "max_order_amount=50000"]
        command += ["--analyst", analyst, "--costs", costs, "--journal", journal, "--json", told]
        assert run(lambda: app(command)) == 0
        capsys.readouterr()
        return journal, told

    return made


def compared(capsys, *sides):
    code = run(lambda: app(["compare", *sides, "--json"]))
    return code, json.loads(capsys.readouterr().out)


def test_two_backtests_differ_by_what_their_equity_differs(backtest, capsys):
    """Costs alone were changed: their sum, to the cent, is what one run has more than the other.

    And a backtest's own journal agrees with its JSON: no cost is counted twice.
    """
    cheap, told = backtest("cheap", "bps=1", "policy:macd")
    dear, told_dear = backtest("dear", "bps=40", "policy:macd")
    code, found = compared(capsys, cheap, dear)
    assert code == 1
    ended = [
        json.loads(Path(name).read_bytes())["equity"][0]["values"][-1] for name in (told, told_dear)
    ]
    assert ended[0] > ended[1]
    assert found["usd"] == pytest.approx(ended[0] - ended[1], abs=0.01)
    assert found["usd_by_cause"]["fill"] > 0

    code, found = compared(capsys, cheap, told)
    assert code == 0
    assert (found["changed"], found["moved_usd"]) == (0, pytest.approx(0, abs=0.01))
    assert found["slippage_live_bps"] == pytest.approx(found["slippage_simulated_bps"], abs=0.01)


def test_a_backtests_own_journal_is_asked_again_like_any(backtest, capsys):
    """Windows, prompts and answers are in it; the record flips nothing."""
    journal, _ = backtest("rules", "stocks", "rules")
    command = ["replay", "--since", "1990-01-01", "--database", f"sqlite:///{journal}"]
    assert run(lambda: app(command)) == 0
    told = capsys.readouterr().out
    assert "Flip rate 0.0" in told
    assert " 0 decisions" not in told
