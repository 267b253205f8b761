"""A made-up run of 500 days that says hostile things, and what was concluded from it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from backtest.data.remarks import DataWarning, RowRef
from backtest.evidence.records import (
    Band,
    ControlResult,
    Curve,
    Cutoff,
    Evidence,
    HeadlineRow,
    Interval,
    Registered,
    Repeats,
)
from backtest.records import (
    Costs,
    CostsPaid,
    DecisionRow,
    Ended,
    FillRow,
    RunResult,
    RunSpec,
)
from backtest.report import ReportInput
from backtest.statistics.figures import Figures

DAY_NS = 86_400 * 1_000_000_000
START_NS = 1_577_923_200 * 1_000_000_000  # 2020-01-02
HOSTILE = (
    "<script>alert('thesis')</script> <img src=x onerror=alert(1)> [bold]buy[/bold] & \"hold\""
)


def figures(total: float, sharpe: float | None) -> Figures:
    return Figures(
        total_return=total,
        cagr=total / 2,
        volatility=0.18,
        sharpe=sharpe,
        sortino=None,
        max_drawdown=-0.21,
        calmar=None,
        profit_factor=1.1,
        turnover=7.25,
        exposure=0.6,
    )


def curve(name: str, seed: int, n: int = 500) -> Curve:
    drawn = np.random.default_rng(seed)
    equity = 10_000 * np.cumprod(1 + drawn.normal(0.0004, 0.011, n))
    return Curve(name=name, ts_ns=START_NS + DAY_NS * np.arange(n), equity=equity)


def decisions(n: int, price: np.ndarray, symbol: str) -> tuple[DecisionRow, ...]:
    kinds = (
        ("hold", "held", "HOLD", None),
        ("buy", "ordered", "", None),
        ("buy", "ordered", "", "NOTIONAL_EXCEEDS_MAX"),
        ("sell", "ordered", "", None),
        ("buy", "quant_rejected", "SCORE_BELOW_FLOOR", None),
    )
    rows = []
    for index in range(0, n, 3):
        action, outcome, reason, code = kinds[(index // 3) % len(kinds)]
        rows.append(
            DecisionRow(
                ts_ns=START_NS + DAY_NS * index,
                symbol=symbol,
                id=f"{symbol}{index:020d}",
                action=action,
                outcome=outcome,
                reason_code=reason,
                confidence=0.66,
                thesis=HOSTILE if index % 2 else "Momentum holds above the 20-day mean.",
                price=float(price[index]),
                code=code,
                cost_usd=0.002,
            )
        )
    return tuple(rows)


def result_of(n: int = 500, **changes) -> RunResult:
    own = curve("llm:gpt-5-mini", 1, n)
    price = 100 * own.equity / 10_000
    spec = RunSpec(
        analyst="llm:gpt-5-mini",
        symbols=("AAA", "<b>BBB</b>"),
        start="2020-01-02T00:00:00Z",
        end="2021-05-15T00:00:00Z",
        interval_s=86_400,
        costs=Costs(name="retail", commission_bps=1.0, half_spread_bps=2.0),
        cash=10_000.0,
        seed=7,
        analyst_latency_s=4.0,
        data=(("AAA", "a" * 64), ("<b>BBB</b>", "b" * 64)),
        settings=(("max_order_amount", "5000"),),
        prompts=(("director", "c" * 64),),
    )
    told = tuple(row for symbol in spec.symbols for row in decisions(n, price, symbol))
    fills = tuple(
        FillRow(
            ts_ns=row.ts_ns + DAY_NS,
            symbol=row.symbol,
            quantity=10.0 if row.action == "buy" else -10.0,
            price=row.price * 1.0004,
            reference_price=row.price,
            leg="entry",
            decision_id=row.id,
        )
        for row in told
        if row.outcome == "ordered" and row.code is None
    )
    made = RunResult(
        spec=spec,
        ended=Ended.COMPLETE,
        digest="d" * 64,
        ts_ns=own.ts_ns,
        equity=own.equity,
        cash=own.equity * 0.4,
        exposure=own.equity * 0.6 * (np.arange(n) % 40 > 20),
        fills=fills,
        decisions=told,
        denials={"NOTIONAL_EXCEEDS_MAX": 66, "QUOTE_STALE": 3},
        paid=CostsPaid(commission=41.2, spread=80.4, slippage=12.0, venue_fees=3.3, model=1.25),
        prices=dict.fromkeys(spec.symbols, (own.ts_ns, price)),
    )
    for name, value in changes.items():
        object.__setattr__(made, name, value)
    return made


def evidence_of(n: int = 500, **changes) -> Evidence:
    names = ("buy-and-hold", "SMA", "MACD", "momentum", "random trader", "cash")
    row = HeadlineRow(
        name="llm:gpt-5-mini",
        is_baseline=False,
        figures=figures(0.18, 0.7),
        sharpe_interval=Interval(low=-0.41, high=1.75),
        deflated_sharpe=0.31,
        excess=-0.021,
        excess_interval=Interval(low=-0.12, high=0.083),
        net_return=0.1788,
        model_cost_usd=1.25,
        repeats=Repeats(k=3, mean=0.17, spread=0.02, flip_rate=0.06),
        cutoff=Cutoff.BEFORE,
        denials=69,
        n_fills=60,
    )
    others = tuple(
        msgspec.structs.replace(
            row,
            name=name,
            is_baseline=True,
            figures=figures(0.03 * index, 0.2 * index if name != "cash" else None),
            repeats=None,
            cutoff=Cutoff.NOT_A_MODEL,
            excess=None if name == "buy-and-hold" else 0.01,
            excess_interval=None if name == "buy-and-hold" else Interval(low=-0.1, high=0.1),
        )
        for index, name in enumerate(names)
    )
    own = curve("llm:gpt-5-mini", 1, n)
    spread = np.linspace(0, 2500, n)
    made = Evidence(
        rows=(row, *others),
        sentence="The excess over buy and hold is -2.1 % a year (95 %: -12.0 % to 8.3 %): "
        "not distinguishable from buy and hold.",
        periods=252.0,
        n_steps=n,
        n_tries=14,
        controls=(
            ControlResult(
                code="C1", name="point in time", passed=True, line="Nothing was read early."
            ),
            ControlResult(
                code="C2",
                name="knowledge cut-off",
                passed=False,
                line="332 of 334 decisions lie before the cut-off: what it earns may be memory.",
            ),
            ControlResult(code="C3", name="blind mode", passed=None, line="No blind run was made."),
        ),
        registration=Registered(
            digest="e" * 64,
            hypothesis="The director adds to momentum & is <i>not</i> lucky.",
            primary_figure="excess",
            n_tries=14,
        ),
        curves=(own, *(curve(name, seed, n) for seed, name in enumerate(names, 2))),
        band=Band(
            name="random",
            ts_ns=own.ts_ns,
            low=10_000 - spread,
            middle=np.full(n, 10_000.0),
            high=10_000 + spread,
        ),
    )
    for name, value in changes.items():
        object.__setattr__(made, name, value)
    return made


@pytest.fixture
def hostile() -> str:
    """What a stranger put into a thesis."""
    return HOSTILE


@pytest.fixture
def make_result():
    """`make_result(n, field=value)`: the run, with changes."""
    return result_of


@pytest.fixture
def make_evidence():
    """`make_evidence(n, field=value)`: what was concluded, with changes."""
    return evidence_of


def given_report() -> ReportInput:
    """A whole report's input; every text in it that a stranger could write is hostile."""
    return ReportInput(
        result=result_of(),
        evidence=evidence_of(),
        warnings=(
            DataWarning(
                code="GAP",
                symbol="<b>BBB</b>",
                message="3 sessions are missing for <b>BBB</b>.",
                rows=(
                    RowRef(
                        file="<b>.csv", row=17, symbol="<b>BBB</b>", time="2020-01-28", value="-3"
                    ),
                ),
                n_rows=3,
            ),
        ),
        version="0.1.0",
        commit="0123abc",
        made_at="2026-11-29T20:00:00Z",
    )


@pytest.fixture
def given() -> ReportInput:
    """A whole report's input, hostile wherever a stranger could write."""
    return given_report()
