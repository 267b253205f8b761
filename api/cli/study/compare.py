"""Compare a live or paper session with its simulation, decision by decision."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.cli.study.sides import read_side
from api.cli.study.spans import span_of
from backtest.compare.explain import compare
from backtest.compare.records import Comparison, Pair, Side
from backtest.report.writing import MINUS, number
from domain.errors import ConfigError
from domain.records import NS_PER_S, format_ns

MAX_ROWS = 60
# Decisions without bars to measure by are the same decision within so many seconds.
WITHIN_S = 30.0


@dataclass(frozen=True, kw_only=True)
class CompareCommand:
    """What was asked for; times without a zone are UTC."""

    live: str
    simulated: str
    since: datetime | None = None
    until: datetime | None = None
    symbol: str | None = None
    within_s: float | None = None
    tolerance_usd: float = 0.0
    as_json: bool = False


def run_compare(asked: CompareCommand) -> bool:
    """Print what differs; false when it is more than the tolerance.

    Raises `ConfigError` when a side holds no decision, `JournalError` for an unreadable journal.
    """
    live, simulated = asyncio.run(_sides(asked))
    within_s = _within_s(asked, live, simulated)
    found = compare(live, simulated, within_ns=round(within_s * NS_PER_S))
    holds = found.holds(asked.tolerance_usd)
    out = Console(highlight=False)
    if asked.as_json:
        said = {**msgspec.to_builtins(found), "moved_usd": found.moved_usd, "holds": holds}
        out.print_json(msgspec.json.encode(said).decode())
    else:
        _show(found, (live.name, simulated.name), out)
        verdict = "agree" if holds else "DIFFER"
        out.print(f"The sides {verdict}, at a tolerance of ${asked.tolerance_usd:g}.")
    return holds


async def _sides(asked: CompareCommand) -> tuple[Side, Side]:
    span = span_of(asked.since, asked.until, asked.symbol)
    sides = [await read_side(where, span) for where in (asked.live, asked.simulated)]
    for where, side in zip((asked.live, asked.simulated), sides, strict=True):
        if not side.steps:
            raise ConfigError(
                f"{where} holds no decision of that span and symbol.",
                remedy="Widen --since and --until, or name another journal.",
            )
    return sides[0], sides[1]


def _within_s(asked: CompareCommand, live: Side, simulated: Side) -> float:
    """Return how far apart two decisions are still the same: half a bar, or as it was said."""
    if asked.within_s is not None:
        return asked.within_s
    interval_s = simulated.interval_s or live.interval_s
    return WITHIN_S if interval_s is None else interval_s / 2


def _show(found: Comparison, names: tuple[str, str], out: Console) -> None:
    differing = [pair for pair in found.pairs if pair.differences]
    if differing:
        out.print(_differences(differing[:MAX_ROWS], names))
    if len(differing) > MAX_ROWS:
        out.print(f"{len(differing) - MAX_ROWS} more decisions differ; --json lists every one.")
    out.print(_causes(found))
    out.print(
        f"{found.matched} decisions match in time, {found.changed} of them were decided "
        f"differently; {found.only_live} stand in {names[0]} alone, {found.only_simulated} in "
        f"{names[1]} alone; {found.outside} lie outside the time that both cover.",
        markup=False,
        soft_wrap=True,
    )
    out.print(
        f"Slippage against the prices that decisions saw: {_bps(found.slippage_live_bps)} live, "
        f"{_bps(found.slippage_simulated_bps)} simulated. Live less simulated: {usd(found.usd)}.",
        markup=False,
        soft_wrap=True,
    )


def _differences(pairs: list[Pair], names: tuple[str, str]) -> Table:
    table = Table("as of", "symbol", "cause", "what")
    for name in names:
        table.add_column(escape(name), overflow="fold")
    table.add_column("dollars", justify="right")
    for pair in pairs:
        head = (format_ns(pair.as_of_ns)[:19].replace("T", " "), pair.symbol)
        for each in pair.differences:
            cells = (*head, each.cause.value, each.what, each.live, each.simulated)
            table.add_row(*(escape(cell) for cell in cells), usd(each.usd) if each.usd else "")
            head = ("", "")
    return table


def _causes(found: Comparison) -> Table:
    """Show how many decisions differ by each cause, and what that explains."""
    table = Table("cause", "decisions", title="What explains the difference")
    table.add_column("dollars", justify="right")
    for cause, count in found.count_by_cause.items():
        table.add_row(cause, str(count), usd(found.usd_by_cause[cause]))
    table.add_section()
    table.add_row("all", "", usd(found.usd), style="bold")
    return table


def usd(value: float) -> str:
    """Write signed dollars to the cent, and further where a cent would hide them."""
    digits = 2 if abs(value) >= 0.01 or not value else 6  # noqa: PLR2004 - a cent
    sign = MINUS if value < 0 else "+" if value > 0 else ""
    return f"{sign}${abs(value):,.{digits}f}"


def _bps(value: float | None) -> str:
    return "none" if value is None else f"{number(value, 1)} bps"
