"""Write what studies found as one page of Markdown, whatever it is."""

from __future__ import annotations

from collections.abc import Sequence

from backtest.evidence.records import ControlResult, Evidence, HeadlineRow
from backtest.records import RunSpec
from backtest.report.writing import number, percent, percent_between, times
from domain.records import Record, digest, format_ns, plain

_HEAD = """# Evidence

What `autohedge evidence` found, written by the command itself, whatever came out. The rules analyst
and every baseline trade real data through the same engine, with the same fills and costs. A control
passes when the evidence survives it: who is not better than buy and hold fails C7 to C9, and that
is a result, not a fault. To see it again: `{command}` (`--short`: minutes).

Made on {date} of commit {commit}, seed {seed}, {machine}.
"""

_COLUMNS = (
    "Who decides",
    "Return",
    "CAGR",
    "Volatility",
    "Sharpe (95 %)",
    "Deflated Sharpe",
    "Drawdown",
    "Turnover a year",
    "Exposure",
    "Net of model",
    "Excess a year over buy and hold (95 %)",
    "Fills",
    "Denials",
)


class Made(Record, frozen=True):
    """When, of what, on what and by which command a page was made."""

    command: str
    date: str
    commit: str
    seed: int
    machine: str


class Study(Record, frozen=True):
    """One question that was put to data: what it is about, and how long it took."""

    name: str
    about: str
    seconds: float
    warnings: tuple[str, ...] = ()


def page_of(studies: Sequence[tuple[Study, RunSpec, Evidence]], made: Made) -> str:
    """Return the page: for each study the sentence, the headline, the controls and what it ran."""
    head = _HEAD.format(**plain(made))
    return "\n".join([head, *(_section(*one) for one in studies)])


def _section(study: Study, spec: RunSpec, evidence: Evidence) -> str:
    lines = [
        f"## {study.name}\n",
        f"{study.about}\n",
        f"**{evidence.sentence[:1].upper()}{evidence.sentence[1:]}.**\n",
        _table(_COLUMNS, [_row(row) for row in evidence.rows]),
        _ran(study, spec, evidence),
        "### Controls\n",
        _table(
            ("", "Control", "Passed", "What it found"), [_control(c) for c in evidence.controls]
        ),
    ]
    if study.warnings:
        lines += ["What to know of the data:\n", *(f"- {line}" for line in study.warnings), ""]
    data = digest(spec.data)[:16]
    settings = ", ".join(f"{name}={value}" for name, value in spec.settings) or "the defaults"
    lines += [f"Symbols: {', '.join(spec.symbols)}. Settings: {settings}. Data digest `{data}`.\n"]
    return "\n".join(lines)


def _ran(study: Study, spec: RunSpec, evidence: Evidence) -> str:
    steps = evidence.curves[0].ts_ns
    first, last = (format_ns(int(steps[at]))[:10] for at in (0, -1))
    return (
        f"{evidence.n_steps:,} steps from {first} to {last} (bars from {spec.start[:10]} on warm "
        f"the indicators up), {evidence.periods:,.0f} a year by the calendar; {len(spec.symbols)} "
        f"symbols, {spec.cash:,.0f} USD, costs *{spec.costs.name}* ({_costs(spec)}). "
        f"Configurations tried: {evidence.n_tries}. Took {study.seconds:,.0f} s.\n"
    )


def _costs(spec: RunSpec) -> str:
    chosen = spec.costs
    return (
        f"commission {chosen.commission_bps:g}, half spread {chosen.half_spread_bps:g}, slippage "
        f"{chosen.slippage_bps:g} bps a side, impact factor {chosen.impact:g}, venue fees "
        f"{'on' if chosen.venue_fees else 'off'}"
    )


def _row(row: HeadlineRow) -> tuple[str, ...]:
    figures = row.figures
    name = row.name if row.is_baseline else f"**{row.name}**"
    interval = row.sharpe_interval
    spread = f" ({number(interval.low)} to {number(interval.high)})" if interval else ""
    bounds = f" ({percent_between(row.excess_interval)})" if row.excess_interval else ""
    return (
        name,
        percent(figures.total_return),
        percent(figures.cagr),
        percent(figures.volatility),
        f"{number(figures.sharpe)}{spread}",
        percent(row.deflated_sharpe),
        percent(figures.max_drawdown),
        times(figures.turnover),
        percent(figures.exposure),
        percent(row.net_return),
        f"{percent(row.excess)}{bounds}",
        f"{row.n_fills:,}",
        f"{row.denials:,}",
    )


_VERDICTS = {True: "yes", False: "**no**", None: "not judged"}


def _control(control: ControlResult) -> tuple[str, ...]:
    return (control.code, control.name, _VERDICTS[control.passed], control.line)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
