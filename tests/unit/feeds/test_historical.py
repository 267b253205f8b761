"""History over REST, from a real HTTP server."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from domain.errors import FeedError
from domain.records import parse_ns
from engine.clock import LiveClock
from feeds.historical import AlpacaHistory, HistoryConfig, Span

START = parse_ns("2026-10-08T14:00:00Z")


def trade(number, **more):
    stamp = f"2026-10-08T14:00:0{number}Z"
    return {"i": number, "p": 100.0 + number, "s": 10, "t": stamp, "x": "V", "z": "C", **more}


@pytest.fixture
def venue():
    """A data host that answers what a test says."""

    class Host(BaseHTTPRequestHandler):
        answer = (200, b"{}")

        def do_GET(self):
            status, body = type(self).answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Host.url = f"http://127.0.0.1:{server.server_port}"
    yield Host
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def history(venue):
    """The client under test."""
    config = HistoryConfig(key="k", secret="s", url=venue.url, deadline_s=5.0)
    made = AlpacaHistory(config, LiveClock())
    yield made
    await made.aclose()


async def test_prints_taken_back_are_left_out(venue, history):
    """History keeps a canceled print, marked; a stream that heard the cancel has it no more."""
    rows = [trade(1), trade(2, u="canceled"), trade(3, u="incorrect"), trade(4, u="corrected")]
    venue.answer = (200, json.dumps({"trades": {"AAPL": rows}, "next_page_token": None}).encode())
    found = await history.trades(["AAPL"], Span(start_ns=START, end_ns=START + 10**10))
    assert [print_.trade_id for print_ in found["AAPL"]] == [1, 4]


async def test_a_row_that_cannot_be_read_costs_no_other(venue, history):
    """Counted and left out."""
    rows = [trade(1), trade(2, p="cheap"), "rubbish", trade(3)]
    venue.answer = (200, json.dumps({"trades": {"AAPL": rows}, "next_page_token": None}).encode())
    found = await history.trades(["AAPL"], Span(start_ns=START, end_ns=START + 10**10))
    assert [print_.trade_id for print_ in found["AAPL"]] == [1, 3]
    assert sum(history.rejects.values()) == 1


@pytest.mark.parametrize(
    "answer",
    [(500, b"<html>oops</html>"), (200, b"not json"), (401, b'{"message":"unauthorized."}')],
)
async def test_a_failing_data_host_is_a_feed_error(venue, history, answer):
    """HTML, rubbish and refusals are one class that the feed retries or tells."""
    venue.answer = answer
    with pytest.raises(FeedError):
        await history.trades(["AAPL"], Span(start_ns=START, end_ns=START + 10**10))
