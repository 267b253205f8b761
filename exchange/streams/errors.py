"""The stream's error frames, code and words as Alpaca sends them."""

from typing import Any, NamedTuple


class ErrorFrame(NamedTuple):
    """One error message. `closes` tells whether the venue ends the connection after it."""

    code: int
    text: str
    closes: bool = False

    def message(self) -> dict[str, Any]:
        """Write it as a control message."""
        return {"T": "error", "code": self.code, "msg": self.text}


INVALID_SYNTAX = ErrorFrame(400, "invalid syntax")
NOT_AUTHENTICATED = ErrorFrame(401, "not authenticated")
AUTH_FAILED = ErrorFrame(402, "auth failed")
ALREADY_AUTHENTICATED = ErrorFrame(403, "already authenticated")
AUTH_TIMEOUT = ErrorFrame(404, "auth timeout", closes=True)
SYMBOL_LIMIT = ErrorFrame(405, "symbol limit exceeded")
CONNECTION_LIMIT = ErrorFrame(406, "connection limit exceeded")
SLOW_CLIENT = ErrorFrame(407, "slow client", closes=True)
INSUFFICIENT_SUBSCRIPTION = ErrorFrame(409, "insufficient subscription", closes=True)
INVALID_ACTION = ErrorFrame(410, "invalid subscribe action for this feed")
INTERNAL_ERROR = ErrorFrame(500, "internal error")


class StreamError(Exception):
    """Answer a client's message with an error frame; nothing has changed."""

    def __init__(self, frame: ErrorFrame) -> None:
        super().__init__(frame.text)
        self.frame = frame
