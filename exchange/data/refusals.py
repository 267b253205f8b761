"""The data host's refusals. Their words are less documented than the trading API's."""

from exchange.errors import VenueRefusal, refusal

_BAD_REQUEST = 400
_RECENT_SIP = 42210000


def bad_request(message: str) -> VenueRefusal:
    """Refuse parameters that make no sense; the body has no code."""
    return VenueRefusal(_BAD_REQUEST, {"message": message})


def too_many_requests() -> VenueRefusal:
    """Refuse past the minute's budget (unverified: the data host's body is not recorded)."""
    return VenueRefusal(429, {"message": "too many requests."})


def recent_sip() -> VenueRefusal:
    """Refuse the consolidated feed's last fifteen minutes to a plan that lacks them."""
    return refusal(403, _RECENT_SIP, "subscription does not permit querying recent SIP data")
