"""One demo for all pages: what they show is asked of a bot that trades."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from api.settings import known_variables

ROOT = Path(__file__).parents[2]
SHOWN = "127.0.0.1:3000"
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

    def __init__(self, folder, port):
        self.folder = folder
        self.port = port

    def ask(self, path):
        """Return what the demo answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.load(answer)

    def run(self, script, timeout_s=110.0):
        """Run a page's commands as its reader would; the port alone is another."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script.replace(SHOWN, f"127.0.0.1:{self.port}")],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


def environment():
    """Return the environment without settings of ours, so that pages set what they need."""
    kept = {name: value for name, value in os.environ.items() if name not in known_variables()}
    return kept | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "160"}


@pytest.fixture(scope="session")
def desk(tmp_path_factory):
    """Start the demo and wait until it has sent an order."""
    folder = tmp_path_factory.mktemp("reader")
    for name in _LENT:
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "demo.log"
    with log.open("w") as out:
        demo = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "demo", "--port", str(port)],
            cwd=folder,
            env=environment(),
            stdout=out,
            stderr=out,
        )
    found = Desk(folder, port)
    try:
        _wait(found, demo, log)
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
