"""Lay out what asking again found, for a terminal and as JSON."""

from __future__ import annotations

from collections import Counter

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.cli.study.minds import RECORDED
from backtest.flips.records import Asked, Change, Ending, Flips
from backtest.flips.tally import word
from backtest.report.writing import percent, percent_between
from domain.records import Record

MAX_ROWS = 40


class Outcome(Record, frozen=True):
    """What one run of the command found. `prompts` are the digests of what the roles were told.

    `paid_usd` is what was paid now; answers kept from before cost what they did then.
    """

    analyst: str
    ending: Ending
    threshold: float | None
    prompts: dict[str, str]
    flips: Flips
    left_out: int
    paid_usd: float
    asked: tuple[Asked, ...]

    @property
    def holds(self) -> bool:
        """Tell whether everything was asked and the rate is not over the threshold."""
        is_over = (
            self.threshold is not None
            and self.flips.rate is not None
            and self.flips.rate > self.threshold
        )
        return self.ending is Ending.COMPLETE and not is_over


def show(outcome: Outcome, out: Console, *, as_json: bool) -> None:
    """Print it."""
    if as_json:
        said = {**msgspec.to_builtins(outcome), "holds": outcome.holds}
        out.print_json(msgspec.json.encode(said).decode())
        return
    changed = [each for each in outcome.asked if each.flip_share]
    if changed:
        out.print(_changed(changed))
        out.print(_turns(outcome.flips))
    if len(changed) > MAX_ROWS:
        out.print(f"{len(changed) - MAX_ROWS} more changed; --json lists every one.")
    for line in _lines(outcome):
        out.print(line, markup=False, soft_wrap=True)


def _changed(changed: list[Asked]) -> Table:
    """Show each decision that changed: what it was, what it became most often, and why."""
    table = Table("as of", "symbol", "was", "now", "answers")
    table.add_column("because", overflow="fold")
    for each in changed[:MAX_ROWS]:
        now, _ = Counter(
            sample for sample in each.answered if sample.change is not Change.SAME
        ).most_common(1)[0]
        flips = sum(sample.change is not Change.SAME for sample in each.answered)
        cells = (
            each.as_of[:19].replace("T", " "),
            each.symbol,
            word(each.was),
            word(now.stand),
            f"{flips} of {len(each.answered)}",
            now.stand.reason_code,
        )
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _turns(flips: Flips) -> Table:
    table = Table("was", "now", "answers", title="What turned into what")
    for turn in flips.turns[:MAX_ROWS]:
        table.add_row(escape(turn.was), escape(turn.now), str(turn.count))
    return table


def _lines(outcome: Outcome) -> list[str]:
    flips = outcome.flips
    lines = []
    if outcome.ending is not Ending.COMPLETE:
        lines.append(f"PARTIAL: {outcome.ending.words}; what follows is of what was asked.")
    bounds = f" (95 %: {percent_between(flips.interval)})" if flips.interval else ""
    told = ", ".join(f"{change} {count}" for change, count in flips.by_change.items())
    lines.append(
        f"Flip rate {percent(flips.rate)}{bounds}: {flips.flipped} of {flips.decisions} decisions "
        f"change at least once; {flips.samples} answers of {outcome.analyst}: {told}."
    )
    took = "The answers took" if outcome.analyst != RECORDED else "Nobody was asked; then it took"
    paid = f"{flips.tokens_in:,} + {flips.tokens_out:,} tokens, ${flips.cost_usd:.4f}"
    lines.append(f"{took} {paid}{_latency(flips)}; ${outcome.paid_usd:.4f} were paid now.")
    if flips.unanswered:
        lines.append(f"{flips.unanswered} questions compare with nothing: one side gave no answer.")
    if outcome.left_out:
        lines.append(f"{outcome.left_out} decisions have no window and were not asked.")
    if outcome.threshold is not None:
        is_over = flips.rate is not None and flips.rate > outcome.threshold
        verdict = "OVER" if is_over else "within"
        lines.append(f"The rate is {verdict} the threshold of {percent(outcome.threshold)}.")
    return lines


def _latency(flips: Flips) -> str:
    if not flips.latency_p95_ms or flips.latency_p50_ms is None:
        return ""
    return (
        f", {flips.latency_p50_ms:,.0f} ms a decision (95th percentile {flips.latency_p95_ms:,.0f})"
    )
