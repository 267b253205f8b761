"""`autohedge health` for supervisors: three answers, three exit codes."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from api.cli.main import Exit, app, run


@contextmanager
def bot(answer, status=200):
    """Something that answers `/health` so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_said):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def said(status, **parts):
    return json.dumps(
        {
            "status": status,
            "version": "1",
            "session": "running",
            "trading": "active",
            "parts": {"journal": True, **parts},
        }
    ).encode()


@pytest.mark.parametrize(
    ("answer", "arguments", "code", "shown"),
    [
        (said("ok"), (), Exit.WELL, "ok: session running, trading active"),
        (said("degraded", feed=False), (), Exit.FINDING, "down: feed"),
        (said("degraded", feed=False), ("--alive",), Exit.WELL, "down: feed"),
        (said("ok"), ("--json",), Exit.WELL, '"status":"ok"'),
    ],
)
def test_what_answers_is_told_with_its_exit_code(answer, arguments, code, shown, capsys):
    """`degraded` is a finding, unless an answer is enough."""
    with bot(answer) as url:
        assert run(lambda: app(["health", "--url", url, *arguments])) == code
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "status"), [(b"hello", 200), (b"", 500)])
def test_what_is_no_bot_is_unreachable(answer, status, capsys):
    """Something else holds the port."""
    with bot(answer, status) as url:
        assert run(lambda: app(["health", "--url", url])) == Exit.UNREACHABLE
    assert "BOT_SILENT" in capsys.readouterr().err
