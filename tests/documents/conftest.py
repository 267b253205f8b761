"""One demo for all pages: what they show is asked of a bot that trades."""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from api.settings import known_variables
from tests.documents.model import model

ROOT = Path(__file__).parents[2]
DEMO, MODEL = 3000, 11434
_IN_A_ROW = ((3100,), (8900, 8901), (2024,))
_AT_LAST = "trap 'jobs -p | xargs -r kill; wait' EXIT\n"
_PORT = re.compile(r"(?P<before>127\.0\.0\.1:|PORT=|--port )(?P<port>[0-9]{4,5})\b")
_STARTING_S = 90.0
_LENT = (
    ".cache",
    ".env.example",
    "Makefile",
    "docs",
    "exchange",
    "langgraph.json",
    "ops",
    "tests",
)


class Desk:
    """A folder as a reader has it after `make demo`, whose demo runs on a port of its own."""

    def __init__(self, folder, port, model_port):
        self.folder = folder
        self.port = port
        self.model_port = model_port

    def ask(self, path):
        """Return what the demo answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.load(answer)

    def start(self):
        """Let the demo trade, as `make demo` does: the page before may have stopped it."""
        url = f"http://127.0.0.1:{self.port}/start"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=30):
            pass

    def run(self, page, script, timeout_s=240.0):
        """Run a page's commands as its reader would; the ports alone are others.

        Each page has a folder of its own, so that what it writes misleads no other; the demo's
        journal is in all of them. What a page leaves running is ended.
        """
        self.start()
        folder = self.folder / page.replace("/", "-")
        folder.mkdir()
        lend(folder)
        (folder / "var").symlink_to(self.folder / "var")
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", _AT_LAST + self.with_our_ports(script)],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def with_our_ports(self, script):
        """Put ports that are free now in place of those that the pages name."""
        ports = {DEMO: self.port, MODEL: self.model_port}
        for shown in _IN_A_ROW:
            ports |= zip(shown, free_ports(len(shown)), strict=True)

        def ours(found):
            port = int(found["port"])
            return f"{found['before']}{ports.get(port, port)}"

        return _PORT.sub(ours, script)


def free_ports(count):
    """Return so many ports in a row that nobody holds.

    They are drawn below those that the system hands out: whoever asks it for any port beside us
    gets none of ours between now and their use.
    """
    while True:
        first = random.randrange(20_000, 32_000)
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
        return tuple(range(first, first + count))


def lend(folder):
    """Put into a folder what a reader finds in the repository's."""
    for name in _LENT:
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)


def environment():
    """Return the environment without settings of ours, so that pages set what they need."""
    kept = {name: value for name, value in os.environ.items() if name not in known_variables()}
    return kept | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "160"}


@pytest.fixture(scope="session")
def desk(tmp_path_factory):
    """Start the demo and wait until it has sent an order; a model answers beside it."""
    folder = tmp_path_factory.mktemp("reader")
    lend(folder)
    port, model_port = free_ports(2)
    log = folder / "demo.log"
    with log.open("w") as out:
        demo = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "demo", "--port", str(port)],
            cwd=folder,
            env=environment(),
            stdout=out,
            stderr=out,
        )
    found = Desk(folder, port, model_port)
    try:
        _wait(found, demo, log)
        with model(model_port):
            yield found
    finally:
        demo.terminate()
        demo.wait(timeout=30)


def _wait(desk, demo, log):
    deadline = time.monotonic() + _STARTING_S
    while time.monotonic() < deadline:
        assert demo.poll() is None, log.read_text()
        try:
            if desk.ask("/decisions?outcome=ordered&limit=1")["items"]:
                return
        except OSError:
            pass
        time.sleep(0.3)
    pytest.fail(f"the demo ordered nothing within {_STARTING_S:g} s: {log.read_text()}")
