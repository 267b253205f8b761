"""The venue's refusals: HTTP status and body, word for word as Alpaca's paper API answers.

Each body was recorded by third parties (the project's protocol notes, section 3.4) unless its
docstring says otherwise. One code covers many refusals, so clients must read the message too.
"""

from typing import Any

BAD_INPUT = 40010001
FORBIDDEN = 40310000
NOT_FOUND = 40410000
UNPROCESSABLE = 42210000
TOO_MANY = 42910000


class VenueRefusal(Exception):
    """Carry the venue's answer to a request that it will not do; nothing has changed.

    Raised by matching and the venue, rendered by `exchange.rest`, read as is by `simulated`.
    """

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body

    @property
    def message(self) -> str:
        """Return the venue's words, by which its refusals are told apart."""
        return str(self.body.get("message", ""))


def refusal(status: int, code: int, message: str, **fields: Any) -> VenueRefusal:
    """Make a refusal in the venue's envelope; further fields stand beside code and message."""
    return VenueRefusal(status, {"code": code, "message": message, **fields})


def unauthorized() -> VenueRefusal:
    """Refuse a request without keys; the body has no code, which breaks naive clients."""
    return VenueRefusal(401, {"message": "unauthorized."})


def forbidden() -> VenueRefusal:
    """Refuse a wrong key pair (seen in test fixtures only, not verified)."""
    return VenueRefusal(403, {"message": "forbidden."})


def rate_limited() -> VenueRefusal:
    """Refuse the request past the minute's budget."""
    return refusal(429, TOO_MANY, "rate limit exceeded")


def bad_input(message: str) -> VenueRefusal:
    """Refuse a request whose fields do not add up to an order."""
    return refusal(422, BAD_INPUT, message)


def unprocessable(message: str, **fields: Any) -> VenueRefusal:
    """Refuse a well-formed request that a trading rule forbids."""
    return refusal(422, UNPROCESSABLE, message, **fields)


def not_permitted(message: str, **fields: Any) -> VenueRefusal:
    """Refuse what the account has no right or no means to do."""
    return refusal(403, FORBIDDEN, message, **fields)


def not_found(message: str) -> VenueRefusal:
    """Refuse a request for something that the account does not have."""
    return refusal(404, NOT_FOUND, message)
