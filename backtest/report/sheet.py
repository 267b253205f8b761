"""Work out everything that a report shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import fsum

import msgspec
import numpy as np

from backtest.controls.cutoffs import is_claimable, label_all
from backtest.evidence.records import Curve, Evidence, HeadlineRow
from backtest.evidence.rows import row_of
from backtest.records import Ended, RunResult, RunSpec
from backtest.report import curves
from backtest.report.marks import charts
from backtest.report.records import Count, Line, ReportInput, Sheet
from backtest.statistics.calendar import periods_of
from domain.records import NS_PER_S, digest, plain

NOTHING_COMPARED = "Nothing was compared: this run alone says nothing about skill."
COST_FREE = "COSTS: NONE. Nobody trades for nothing; no figure here can be earned."
# A cost model of this name has to be typed; its figures are shouted down.
NO_COSTS = "none"
# Symbols that a title has room for.
MAX_NAMED = 4


def sheet_of(given: ReportInput) -> Sheet:
    """Return the sheet of a report; the same input gives the same sheet."""
    result, evidence = given.result, given.evidence
    own = Curve(name=_own_name(given), ts_ns=result.ts_ns, equity=result.equity)
    others = tuple(c for c in (evidence.curves if evidence else ()) if c.name != own.name)
    # A step is stamped when its bar ends: the last of a month would else count to the next one.
    begun_ns = result.ts_ns - result.spec.interval_s * NS_PER_S
    rows = evidence.rows if evidence else (_alone(result),)
    shares = curves.share(result.exposure, result.equity)
    return Sheet(
        title=_title(result.spec),
        ended=result.ended,
        shouts=tuple(_shouts(given, rows)),
        sentence=evidence.sentence if evidence else NOTHING_COMPARED,
        rows=rows,
        n_tries=evidence.n_tries if evidence else None,
        equity=tuple(_begun(curve, result.spec) for curve in (own, *others)),
        bands=(curves.area(evidence.band),) if evidence and evidence.band else (),
        drawdown=tuple(_fall(curve, result.spec.cash) for curve in (own, *others)),
        exposure=curves.line("exposure", result.ts_ns, np.nan_to_num(shares)),
        turnover=curves.turnover_by_month(result.fills, begun_ns, result.equity),
        months=curves.months(begun_ns, result.equity, start=result.spec.cash),
        charts=charts(result),
        costs=_costs(result),
        n_orders=result.n_orders,
        n_cut=result.n_cut,
        cut=_cut(result),
        denials=_counted(result.denials),
        outcomes=_counted(Counter(row.outcome for row in result.decisions)),
        controls=evidence.controls if evidence else (),
        warnings=given.warnings,
        registered=evidence.registration if evidence else None,
        configuration=tuple(_configuration(result.spec, evidence)),
        digests=tuple(_digests(given)),
        made_at=given.made_at,
        interval_s=result.spec.interval_s,
        decisions=result.decisions,
        fills=result.fills,
    )


def _alone(result: RunResult) -> HeadlineRow:
    """Measure a run that nothing was compared with: partial, or without controls."""
    row = row_of(result.spec.analyst, result, result, periods=periods_of(result.spec))
    cutoff = label_all(result.spec.analyst, (one.ts_ns for one in result.decisions))
    interval = row.sharpe_interval if is_claimable(cutoff) else None
    return msgspec.structs.replace(
        row, is_baseline=False, cutoff=cutoff, sharpe_interval=interval, deflated_sharpe=None
    )


def _own_name(given: ReportInput) -> str:
    evidence = given.evidence
    return evidence.rows[0].name if evidence and evidence.rows else given.result.spec.analyst


def _title(spec: RunSpec) -> str:
    shown, left = spec.symbols[:MAX_NAMED], len(spec.symbols) - MAX_NAMED
    more = f" and {left} more" if left > 0 else ""
    return f"{spec.analyst} on {', '.join(shown)}{more}"


def _shouts(given: ReportInput, rows: Sequence[HeadlineRow]) -> list[str]:
    """Return what stands above everything else."""
    result = given.result
    shouts = []
    if result.ended is not Ended.COMPLETE:
        why = result.note or result.ended.value.replace("_", " ")
        shouts.append(f"PARTIAL: the run did not reach its end: {why}.")
    elif given.is_cut:
        shouts.append("PARTIAL: a person interrupted the controls, so none has judged the run.")
    made_of = rows[0].made_of if rows else None
    if result.ended is Ended.COMPLETE and not len(result.equity):
        shouts.append(f"EMPTY: {result.note}.")
    elif made_of is not None:
        shouts.append(f"SHORT: figures a year are made of {made_of}, so they say next to nothing.")
    if result.spec.costs.name == NO_COSTS:
        shouts.append(COST_FREE)
    if given.evidence is not None and given.evidence.registration.is_exploratory:
        changed = ", ".join(given.evidence.registration.changed)
        why = f"{changed} changed after registration" if changed else "it was not registered"
        shouts.append(f"EXPLORATORY: {why}, so it may suggest and confirms nothing.")
    return shouts


def _begun(curve: Curve, spec: RunSpec) -> Line:
    """Return a curve with the cash it began with before it, when its first step began."""
    if not len(curve.ts_ns):
        return curves.line(curve.name, curve.ts_ns, curve.equity)
    began_ns = curve.ts_ns[0] - spec.interval_s * NS_PER_S
    return curves.line(
        curve.name,
        np.concatenate(([began_ns], curve.ts_ns)),
        np.concatenate(([spec.cash], curve.equity)),
    )


def _fall(curve: Curve, start: float) -> Line:
    return curves.line(curve.name, curve.ts_ns, curves.drawdown(curve.equity, start=start))


def _costs(result: RunResult) -> tuple[Count, ...]:
    """Return what was paid by its cause, in dollars; zeros are shown, they were looked at."""
    paid: dict[str, float] = plain(result.paid)
    total = fsum(paid.values())
    return tuple(
        Count(name=name.replace("_", " "), value=usd, share=usd / total if total else 0.0)
        for name, usd in paid.items()
    )


def _cut(result: RunResult) -> str:
    """Say how many orders met less than they asked for, and what kept it from them."""
    if not result.n_cut:
        return ""
    cap = result.spec.costs.volume_cap
    why = f"the cap of {cap:.0%} of a bar's volume" if cap else "the size that was quoted"
    return f"{result.n_cut:,} of {result.n_orders:,} orders were filled in part at first, by {why}"


def _counted(counts: Mapping[str, int]) -> tuple[Count, ...]:
    total = sum(counts.values())
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return tuple(
        Count(name=name, value=count, share=count / total) for name, count in rows if count
    )


def _configuration(spec: RunSpec, evidence: Evidence | None) -> list[tuple[str, str]]:
    costs = plain(spec.costs)
    told = ", ".join(f"{name} {value}" for name, value in costs.items() if name != "name")
    rows = [
        ("analyst", spec.analyst),
        ("symbols", ", ".join(spec.symbols)),
        ("from", spec.start),
        ("to", spec.end),
        ("bars of", f"{spec.interval_s} s"),
        ("cash", f"{spec.cash:,.2f} USD"),
        ("costs", f"{spec.costs.name} ({told})"),
        ("analyst answers after", f"{spec.analyst_latency_s:g} s"),
        ("blind", "yes" if spec.is_blind else "no"),
        ("seed", str(spec.seed)),
    ]
    if evidence is not None:
        rows.append(("steps", f"{evidence.n_steps:,} ({evidence.periods:.2f} a year)"))
    return rows + [(f"setting {name}", value) for name, value in spec.settings]


def _digests(given: ReportInput) -> list[tuple[str, str]]:
    spec = given.result.spec
    registered = given.evidence.registration.digest if given.evidence else None
    rows = [
        ("journal's last hash", given.result.digest),
        ("configuration", digest(spec)),
        ("registration", registered or "none"),
        ("version", given.version),
        ("commit", given.commit),
    ]
    rows += [(f"data {symbol}", named) for symbol, named in spec.data]
    return rows + [(f"prompt {role}", named) for role, named in spec.prompts]
