"""`/v2/positions`: what the account holds, and the venue's own way to close it."""

from typing import Any

from exchange.errors import VenueRefusal, bad_input, not_found
from exchange.faults import Answer
from exchange.rest.gate import Action, Call
from exchange.venue import Venue

_WHOLE = 100


def actions(venue: Venue) -> dict[tuple[str, str], Action]:
    """Return the actions by method and path."""
    return {
        ("GET", "/v2/positions"): lambda _: Answer(status=200, body=venue.positions()),
        ("DELETE", "/v2/positions"): lambda call: _close_all(venue, call),
        ("GET", "/v2/positions/{symbol:path}"): lambda call: Answer(
            status=200, body=venue.position(_symbol(call))
        ),
        ("DELETE", "/v2/positions/{symbol:path}"): lambda call: _close(venue, call),
    }


def _symbol(call: Call) -> str:
    """Return the path's symbol: positions know `BTCUSD` alone, a slash is a miss at the venue."""
    symbol = call.path["symbol"]
    if "/" in symbol:
        raise not_found("position does not exist")
    return symbol


def _close(venue: Venue, call: Call) -> Answer:
    qty, percentage = call.query.number("qty"), call.query.number("percentage")
    if qty is not None and percentage is not None:
        raise bad_input("only one of qty or percentage is accepted")
    if percentage is not None and percentage > _WHOLE:
        raise bad_input("percentage must be between 0 and 100")
    body = venue.close_position(_symbol(call), qty=qty, percentage=percentage)
    return Answer(status=200, body=body)


def _close_all(venue: Venue, call: Call) -> Answer:
    """Close every position, each answered for itself; alpaca-py asks to cancel orders first."""
    if call.query.flag("cancel_orders"):
        venue.cancel_all()
    symbols = [position["symbol"] for position in venue.positions()]
    return Answer(status=207, body=[_closed(venue, symbol) for symbol in symbols])


def _closed(venue: Venue, symbol: str) -> dict[str, Any]:
    try:
        return {"symbol": symbol, "status": 200, "body": venue.close_position(symbol)}
    except VenueRefusal as refused:
        return {"symbol": symbol, "status": refused.status, "body": refused.body}
