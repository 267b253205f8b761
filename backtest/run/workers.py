"""Run tasks in processes of their own that never outlive who asked for them."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from types import TracebackType

from domain.errors import AutoHedgeError


class WorkerLost(AutoHedgeError):
    """A worker is gone, and what it was to answer with it."""

    code = "WORKER_LOST"


class Workers(ProcessPoolExecutor):
    """A pool of fresh processes; leaving it by an error, Ctrl-C included, ends what they do.

    They end by themselves when the process that made them is gone: one that is killed cannot tell
    them, and they would work on for an hour.
    """

    def __init__(self, jobs: int) -> None:
        self._strangers = {child.pid for child in active_children()}
        super().__init__(jobs, mp_context=get_context("spawn"), initializer=_obey)

    def end(self) -> None:
        """End at once: what waits is dropped, what runs is cut."""
        for child in active_children():
            if child.pid not in self._strangers:
                child.terminate()
        self.shutdown(cancel_futures=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for what was asked; end at once after an error. Raises `WorkerLost`."""
        if kind is None:
            self.shutdown()
            return
        self.end()
        if isinstance(error, BrokenProcessPool):
            raise WorkerLost(
                "A process that was at work has ended by itself: it was killed, or memory ran out.",
                remedy="Run it again, with fewer --jobs if memory is short.",
            ) from error


def _obey() -> None:
    """Leave Ctrl-C to the process that asked, and go when it goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_go_with_parent, name="parent", daemon=True).start()


def _go_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
