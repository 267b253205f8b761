"""End a run by `kill` as by Ctrl-C: it is told as far as it came, and how it goes on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

GOES_ON = (
    "Interrupted. The same command runs it again: what a model has answered is not paid for twice."
)


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
