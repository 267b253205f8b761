"""End a run by `kill` as by Ctrl-C: it is told as far as it came, and how it goes on."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console

from backtest.answers import Ending
from backtest.policy import MakePolicy
from backtest.records import Ended, RunResult, RunSpec, Series
from backtest.run.running import Means, run
from domain.ports import Analyst, Entry

GOES_ON = (
    "Interrupted. The same command runs it again: what a model has answered is not paid for twice."
)


def play(
    series: Sequence[Series],
    spec: RunSpec,
    *,
    policies: MakePolicy | None = None,
    analyst: Analyst | None = None,
    first: Sequence[Entry] = (),
    ending: Ending | None = None,
) -> RunResult:
    """Play one of the runs that another needs; who interrupts it interrupts all of them.

    `ending` is the analyst's own: a policy's run does not end with it.
    """
    means = Means(policies=policies, analyst=analyst, first=first)
    if analyst is not None and ending is not None:
        means = replace(means, ending=ending)
    result = run(series, spec, means)
    if result.ended is Ended.INTERRUPTED:
        raise KeyboardInterrupt
    return result


@contextmanager
def interruptible() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C, and say in one line that somebody interrupted.

    A background job of a script ignores Ctrl-C; it ends by SIGTERM at once, as ever.
    """
    before = signal.getsignal(signal.SIGTERM)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True, highlight=False, soft_wrap=True).print(GOES_ON)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
