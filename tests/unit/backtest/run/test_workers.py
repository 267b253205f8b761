"""Workers never outlive who asked for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backtest.run.workers import WorkerLost, Workers

PROGRAM = """
import signal
from backtest.run.workers import Workers
from tests_of_workers import work

if __name__ == "__main__":
    # A background job of a script is born with Ctrl-C ignored, and so are these tests in one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Workers(2) as pool:
        for each in pool.map(work, range(4)):
            print(each)
"""
WORK = """
import os, time

def work(number):
    print("working", os.getpid(), flush=True)
    time.sleep(300)
"""


@pytest.fixture
def started(tmp_path):
    """A process whose two workers are busy for minutes, and their ids."""
    (tmp_path / "tests_of_workers.py").write_text(WORK)
    (tmp_path / "program.py").write_text(PROGRAM)
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py")],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    workers = [int(process.stdout.readline().split()[1]) for _ in range(2)]
    yield process, workers
    process.kill()
    process.communicate()


def is_gone(pid: int) -> bool:
    """Wait for a process to end, thirty seconds at most."""
    for _ in range(300):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nobody_works_on_for_a_process_that_has_ended(started, how):
    """Two workers of a study that was killed went on for an hour, at the cost of the next one."""
    process, workers = started
    process.send_signal(how)
    assert process.wait(timeout=60) != 0
    assert all(is_gone(pid) for pid in workers)


def test_a_worker_that_is_killed_is_told_in_one_line():
    """The system kills who takes too much memory; what was seen of it was a traceback."""
    with pytest.raises(WorkerLost, match="killed, or memory ran out") as lost, Workers(1) as pool:
        list(pool.map(os.kill, [pool.submit(os.getpid).result()], [signal.SIGKILL]))
    assert "--jobs" in lost.value.remedy


def test_what_was_asked_is_answered_in_its_order():
    with Workers(2) as pool:
        assert list(pool.map(abs, [-3, 2, -1])) == [3, 2, 1]
