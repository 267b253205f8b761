"""C8 and C9: count every configuration ever tried, and compare with what needs no skill.

A file keeps one line for each configuration, by the digest of its `RunSpec`: who tries twenty and
shows one has tried twenty, also in another month.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from backtest.controls.switches import found
from backtest.evidence.records import ControlResult, HeadlineRow
from backtest.records import RunSpec
from backtest.statistics.selection import Superiority
from domain.errors import ConfigError
from domain.records import Record, canonical, digest

LIKELY = 0.95


class Try(Record, frozen=True):
    """One configuration that was tried: its digest, who decided, its Sharpe ratio a step."""

    digest: str
    analyst: str
    ratio: float | None = None


class Tries:
    """The file of everything ever tried; it only grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, spec: RunSpec, ratio: float | None) -> int:
        """Count a configuration unless it was counted before, and return how many there are.

        Raises `ConfigError` when the file cannot be read or written.
        """
        tries = self.all()
        name = digest(spec)
        if any(one.digest == name for one in tries):
            return len(tries)
        line = canonical(Try(digest=name, analyst=spec.analyst, ratio=ratio)) + b"\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            raise self._refused(f"cannot be written ({problem.strerror})") from None
        return len(tries) + 1

    def all(self) -> list[Try]:
        """Return every try once, oldest first; a line that a crash cut off is no try.

        Raises `ConfigError` naming the first line that is none.
        """
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as problem:
            raise self._refused(f"cannot be read ({problem.strerror})") from None
        whole = text[: text.rfind(b"\n") + 1]
        tries: dict[str, Try] = {}
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                one = msgspec.json.decode(line, type=Try)
            except msgspec.DecodeError as wrong:
                raise self._refused(f"is damaged in line {number} ({wrong})") from None
            tries.setdefault(one.digest, one)
        return list(tries.values())

    def ratios(self) -> list[float]:
        """Return the Sharpe ratios, a step each, of the tries that had one."""
        return [one.ratio for one in self.all() if one.ratio is not None]

    def _refused(self, what: str) -> ConfigError:
        return ConfigError(
            f"The file of tries {self._path} {what}.",
            remedy="Mend it or name another; without it nobody knows how many were tried.",
            code="TRIES_UNREADABLE",
        )


def selection(row: HeadlineRow, *, n_tries: int, superiority: Superiority | None) -> ControlResult:
    """Report C8: the ratio beats the best that so many skill-less tries would have.

    `superiority` is Hansen's test of everything that was run beside each other against buy and
    hold.
    """
    deflated = row.deflated_sharpe
    p = None if superiority is None else superiority.consistent
    figures = {"tries": float(n_tries), "deflated_sharpe": deflated, "spa_p": p}
    told = f"{n_tries} configuration{'s' if n_tries > 1 else ''} tried"
    if deflated is None:
        return found("C8", f"{told}: no Sharpe ratio to deflate", passed=None, **figures)
    line = f"{told}: skill is {deflated:.1%} probable (deflated Sharpe)"
    if p is not None:
        line += f"; Hansen's test of all rules against buy and hold: p = {p:.3f}"
    return found("C8", line, passed=deflated > LIKELY, **figures)


def baselines(
    row: HeadlineRow, others: Sequence[HeadlineRow], random_returns: Sequence[float]
) -> ControlResult:
    """Report C9: the analyst beats buy and hold and nineteen of twenty random traders.

    `others` are the baselines' rows on the same data and costs, `random_returns` the total returns
    of the random traders that are matched with it.
    """
    ours = row.figures.total_return
    if ours is None or not random_returns:
        return found("C9", "nothing to compare", passed=None)
    worse = float(np.mean([ours > theirs for theirs in random_returns]))
    returns = {one.name: one.figures.total_return for one in others}
    beaten = [name for name, theirs in returns.items() if theirs is not None and ours > theirs]
    line = (
        f"{ours:+.1%} beats {len(beaten)} of {len(returns)} baselines and {worse:.0%} of "
        f"{len(random_returns)} random traders with the same turnover and exposure"
    )
    passed = worse >= LIKELY and "buy-and-hold" in beaten
    mean = float(np.mean(random_returns))
    return found("C9", line, passed=passed, beats_random=worse, random_mean=mean, **returns)
