"""`/v2/account`: the account, its switches and its history."""

from exchange.faults import Answer
from exchange.matching.account.activities import MAX_PAGE, Search
from exchange.rest.gate import Action, Call
from exchange.venue import Venue


def actions(venue: Venue) -> dict[tuple[str, str], Action]:
    """Return the actions by method and path."""
    return {
        ("GET", "/v2/account"): lambda _: Answer(status=200, body=venue.account()),
        ("GET", "/v2/account/configurations"): lambda _: Answer(
            status=200, body=venue.configurations()
        ),
        ("PATCH", "/v2/account/configurations"): lambda call: Answer(
            status=200, body=venue.configurations(call.fields)
        ),
        ("GET", "/v2/account/activities"): lambda call: _activities(venue, call),
        ("GET", "/v2/account/activities/{activity_type}"): lambda call: _activities(venue, call),
    }


def _activities(venue: Venue, call: Call) -> Answer:
    """List activities: a bare array, paged by the last id seen."""
    query = call.query
    kind, day = call.path.get("activity_type"), query.day("date")
    wanted = Search(
        types=frozenset((kind,)) if kind else query.names("activity_types"),
        category=query.one_of("category", "", "trade_activity", "non_trade_activity") or None,
        day=day.isoformat() if day else None,
        after_ns=query.instant("after"),
        until_ns=query.instant("until"),
        ascending=query.one_of("direction", "desc", "asc") == "asc",
        page_size=query.whole("page_size", default=MAX_PAGE, most=MAX_PAGE),
        page_token=query.text("page_token"),
        order_id=query.text("order_id"),
    )
    return Answer(status=200, body=venue.activities(wanted))
