"""Whom the process talks to: nobody that was not named."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from api.settings import known_variables

ROOT = Path(__file__).parents[2]
WINDOW = ROOT / "tests" / "golden" / "windows" / "order.json"
LISTENED = """
import json, sys
asked = []
def hear(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple):
        asked.append(args[1][0])
    elif event == "socket.getaddrinfo":
        asked.append(str(args[0]))
sys.addaudithook(hear)
from api.cli.main import app, run
code = run(lambda: app(["replay", sys.argv[1], "--json"]))
print(json.dumps({"code": code, "asked": asked}), file=sys.stderr)
"""


@contextmanager
def langsmith():
    """A stand-in for LangSmith on loopback; keeps the paths that were posted to, and the keys."""
    got = []

    class Taker(BaseHTTPRequestHandler):
        def _take(self):
            self.rfile.read(int(self.headers.get("content-length") or 0))
            got.append((self.command, self.path, self.headers.get("x-api-key")))
            self.send_response(200 if self.command == "GET" else 202)
            self.end_headers()
            self.wfile.write(b"{}")

        def do_GET(self):
            self._take()

        def do_POST(self):
            self._take()

        def log_message(self, *_said):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Taker) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", got
        finally:
            server.shutdown()
            thread.join()


def decided(folder, **variables):
    """Decide one window in a process of its own; returns every address that it asked for."""
    unset = (*known_variables(), "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", LISTENED, str(WINDOW)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **variables},
        check=False,
    )
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["code"] == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "ordered"
    return told["asked"]


def test_langsmith_is_told_when_its_variables_are_set(tmp_path):
    """The graph's run arrives, with the key, and nobody else is asked."""
    with langsmith() as (url, got):
        asked = decided(
            tmp_path,
            LANGSMITH_TRACING="true",
            LANGSMITH_ENDPOINT=url,
            LANGSMITH_API_KEY="ls-test-key",
            LANGSMITH_PROJECT="autohedge",
        )
    posted = [(path, key) for verb, path, key in got if verb == "POST"]
    assert posted
    assert {path for path, _ in posted} <= {"/runs", "/runs/batch", "/runs/multipart"}
    assert {key for _, key in posted} == {"ls-test-key"}
    assert set(asked) == {"127.0.0.1"}


def test_nobody_is_asked_when_they_are_not(tmp_path):
    """An endpoint and a key alone trace nothing, and no library calls its maker."""
    with langsmith() as (url, got):
        asked = decided(tmp_path, LANGSMITH_ENDPOINT=url, LANGSMITH_API_KEY="ls-test-key")
    assert asked == []
    assert got == []
