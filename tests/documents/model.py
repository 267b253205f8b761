"""Play the language model that the pages ask, behind the protocol that all of them speak."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOLD = {"action": "hold", "confidence": 0.3, "thesis": "No edge.", "invalidation_price": None}
_SAID = {
    "directive": {
        "action": "buy",
        "confidence": 0.7,
        "thesis": "The averages point up.",
        "invalidation_price": None,
    },
    "signal": {
        "confirmed": True,
        "score": 0.7,
        "support": None,
        "resistance": None,
        "volatility": "normal",
        "reason": "Trend and momentum agree.",
    },
    "verdict": {
        "approved": True,
        "size_fraction": 0.5,
        "stop_loss": None,
        "take_profit": None,
        "reason": "Half is enough.",
    },
    "execution_plan": {"style": "marketable", "limit_offset_bps": 1.0},
}


def answer(asked):
    """Return what the model says: it buys, and holds if its prompt tells it to be cautious."""
    role = asked["response_format"]["json_schema"]["name"]
    is_cautious = "cautious" in asked["messages"][0]["content"].lower()
    return _HOLD if role == "directive" and is_cautious else _SAID[role]


class _Model(BaseHTTPRequestHandler):
    """Answer chat completions, and name the one model there is."""

    def do_GET(self):
        self._reply({"object": "list", "data": [{"id": "qwen3:8b", "object": "model"}]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", "content": json.dumps(answer(asked))}
        self._reply(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": asked["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960},
            }
        )

    def log_message(self, *_):
        """Say nothing."""

    def _reply(self, said):
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def model(port):
    """Serve the model on a loopback port."""
    with ThreadingHTTPServer(("127.0.0.1", port), _Model) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
