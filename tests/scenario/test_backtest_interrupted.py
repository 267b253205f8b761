"""`autohedge backtest` that somebody ends: a line, a report marked partial, nothing paid twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/backtest/run"))
from walks import written

ANSWER_S = 0.3


class Endpoint(BaseHTTPRequestHandler):
    """One answer after a while: hold."""

    protocol_version = "HTTP/1.1"
    asked: list[str]
    answered: list[str]

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.asked.append(body)
        time.sleep(ANSWER_S)
        said = {"action": "hold", "confidence": 0.9, "thesis": "flat", "invalidation_price": None}
        message = {"role": "assistant", "content": json.dumps(said), "refusal": None}
        answer = {
            "id": "x", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }  # fmt: skip
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.answered.append(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def endpoint():
    """A slow model behind HTTP, with what it was asked and what it has answered."""
    kind = type("Own", (Endpoint,), {"asked": [], "answered": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        kind.url = f"http://127.0.0.1:{server.server_port}/v1"
        yield kind
        server.shutdown()
        thread.join()


@pytest.fixture
def data(tmp_path):
    """A file of 76 daily bars."""
    return written(tmp_path, 76)


def begin(data, *options, **own):
    """Start the command in a process of its own."""
    command = [sys.executable, "-m", "api.cli", "backtest", "--data", str(data)]
    told = ["--costs", "stocks", "--set", "warmup=60", "--tries", str(data.parent / "tries.jsonl")]
    return subprocess.Popen(
        [*command, *told, *options],
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_question_that_is_under_way_is_waited_for_and_kept(data, endpoint, tmp_path, number):
    """Its connection was closed under it: a traceback, and the answer was paid for again.

    By `kill` the run ended without a word and without a report.
    """
    own = {
        "LLM_BASE_URL": endpoint.url, "LLM_MODEL": "m", "OPENAI_API_KEY": "sk-test",
        "LLM_USD_PER_M_IN": "1", "LLM_USD_PER_M_OUT": "2",
    }  # fmt: skip
    answers = ("--answers", str(tmp_path / "answers.sqlite3"))
    options = ("--analyst", "llm", "--controls", "none", "--yes", *answers)
    told = tmp_path / "told.json"
    process = begin(data, *options, "--json", str(told), **own)
    while len(endpoint.asked) < 3 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "Interrupted." in err
    assert "PARTIAL" in out
    assert json.loads(told.read_text())["ended"] == "interrupted"
    n_asked = len(endpoint.asked)
    assert f"{n_asked} calls were made" in err
    again = begin(data, *options, **own)
    again.communicate(timeout=120)
    assert again.returncode == 0
    assert len(set(endpoint.asked)) == len(endpoint.asked) > n_asked


def test_controls_that_were_interrupted_leave_a_report_that_says_so(data, tmp_path):
    """The run itself was whole, and its report looked as if nobody had asked for controls."""
    told = tmp_path / "told.json"
    process = begin(data, "--json", str(told))
    for line in process.stderr:
        if line.startswith("baseline"):
            process.send_signal(signal.SIGTERM)
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "PARTIAL: a person interrupted the controls" in out
    assert any("PARTIAL" in shout for shout in json.loads(told.read_text())["shouts"])
