"""Show how far a long command has come, on a terminal alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from journal.audit.findings import Tell, tell_nobody


@contextmanager
def progress(title: str, *, is_shown: bool, console: Console | None = None) -> Iterator[Tell]:
    """Yield what to feed: how many are done, of how many. The bar goes to stderr and vanishes.

    Whoever prints beside it must do so through the same `console`.
    """
    console = console or Console(stderr=True)
    if not (is_shown and console.is_terminal):
        yield tell_nobody
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=None)

        def tell(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        yield tell
