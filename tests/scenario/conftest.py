"""The house that scenarios live in: a local exchange, a scripted model, and a bot of real parts."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.proving import house
from api.settings import known_variables

CHILD = Path(__file__).with_name("child.py")
ROOT = Path(__file__).parents[2]
STARTING_S = 90.0


@pytest.fixture
def until() -> Callable[..., Any]:
    """The one way a scenario waits: by polling, with a deadline."""
    return house.until


@pytest.fixture
async def model() -> AsyncIterator[house.ScriptedModel]:
    """A scripted model on a loopback port; it holds until a test wants something."""
    async with house.serving(house.ScriptedModel()) as script:
        yield script


@pytest.fixture
def open_house(model: house.ScriptedModel, tmp_path: Path) -> Callable[..., Any]:
    """`async with open_house(symbols...) as house`: an exchange listing them, by default two."""
    return partial(house.open_house, model=model, folder=tmp_path)


ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command in a terminal of its own: what it shows, what is typed, how it ends."""

    def __init__(self, command, env, cwd, *, columns, lines):
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.set_blocking(self._ours, False)
        self.child = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.raw = ""

    def read(self):
        try:
            while got := os.read(self._ours, 65536):
                self.raw += got.decode(errors="replace")
        except BlockingIOError:
            pass
        return self.raw

    @property
    def frame(self):
        """The lines of the last whole frame."""
        frames = self.read().split("\x1b[H")
        return [ESCAPE.sub("", line).rstrip() for line in frames[-2].split("\n")]

    def shows(self, *words):
        """Tell whether the last whole frame holds all these words."""
        if self.read().count("\x1b[H") < 2:
            return False
        whole = "\n".join(self.frame)
        return all(word in whole for word in words)

    @property
    def text(self):
        """All that was shown so far, without colours."""
        return ESCAPE.sub("", self.read())

    def type(self, keys):
        os.write(self._ours, keys.encode())

    def ended(self):
        self.read()
        return self.child.poll() is not None

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self._ours)
        os.close(self._theirs)


@pytest.fixture
def open_terminal() -> Iterator[Callable[..., Terminal]]:
    """`open_terminal(*arguments)` runs autohedge in a terminal of its own; closed at the end."""
    opened: list[Terminal] = []
    unset = {*known_variables(), "COLUMNS", "LINES", "NO_COLOR"}

    def start(*arguments, columns=80, lines=24, cwd=None, **settings):
        kept = {name: value for name, value in os.environ.items() if name not in unset}
        env = {**kept, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **settings}
        command = [sys.executable, "-m", "api.cli", *arguments]
        opened.append(Terminal(command, env, cwd, columns=columns, lines=lines))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.fixture
def child(tmp_path: Path) -> Callable[..., Any]:
    """`async with child(settings) as process`: a started bot in a process of its own, to be killed.

    It trades by then, unless `is_awaited` is false, and ends with the block, however it is.
    """

    @asynccontextmanager
    async def running(
        settings: dict[str, Any], *, is_awaited: bool = True
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(CHILD), json.dumps(settings, default=str)),
            stdout=asyncio.subprocess.PIPE,
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
            cwd=tmp_path,
        )
        try:
            if is_awaited:
                await _ready(process)
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return running


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(STARTING_S):
        assert await process.stdout.readline() == b"ready\n", "the bot ended"
