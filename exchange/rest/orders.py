"""`/v2/orders`: entering, finding, replacing and cancelling orders."""

from exchange.errors import bad_input
from exchange.faults import Answer
from exchange.matching.listing import AssetClass
from exchange.matching.orders import Side
from exchange.matching.registry import OrderSearch
from exchange.rest.gate import Action, Call
from exchange.venue import Venue

_DEFAULT_LIMIT, _MAX_LIMIT = 50, 500


def actions(venue: Venue) -> dict[tuple[str, str], Action]:
    """Return the actions by method and path; a new order is answered with 200, not 201."""
    return {
        ("POST", "/v2/orders"): lambda call: Answer(status=200, body=venue.submit(call.fields)),
        ("GET", "/v2/orders"): lambda call: Answer(status=200, body=venue.orders(_search(call))),
        ("DELETE", "/v2/orders"): lambda _: _cancel_all(venue),
        ("GET", "/v2/orders:by_client_order_id"): lambda call: _by_client_id(venue, call),
        ("GET", "/v2/orders/{order_id}"): lambda call: Answer(
            status=200, body=venue.order(call.path["order_id"], nested=call.query.flag("nested"))
        ),
        ("PATCH", "/v2/orders/{order_id}"): lambda call: Answer(
            status=200, body=venue.replace(call.path["order_id"], call.fields)
        ),
        ("DELETE", "/v2/orders/{order_id}"): lambda call: _cancel(venue, call),
    }


def _search(call: Call) -> OrderSearch:
    query = call.query
    return OrderSearch(
        status=query.one_of("status", "open", "closed", "all"),
        limit=query.whole("limit", default=_DEFAULT_LIMIT, most=_MAX_LIMIT),
        after_ns=query.instant("after"),
        until_ns=query.instant("until"),
        ascending=query.one_of("direction", "desc", "asc") == "asc",
        nested=query.flag("nested"),
        symbols=query.names("symbols"),
        side=query.choice("side", Side),
        asset_classes=_classes(query.names("asset_class")),
        after_order_id=query.text("after_order_id"),
        before_order_id=query.text("before_order_id"),
    )


def _classes(names: frozenset[str]) -> frozenset[AssetClass]:
    """Return the asked classes that this venue has; `all`, or nothing asked, means every one."""
    known = {kind.value: kind for kind in AssetClass}
    if not names or "all" in names:
        return frozenset()
    if names.isdisjoint(known):
        raise bad_input("invalid asset_class")
    return frozenset(known[name] for name in names if name in known)


def _by_client_id(venue: Venue, call: Call) -> Answer:
    client_order_id = call.query.text("client_order_id")
    if client_order_id is None:
        raise bad_input("client_order_id is required")
    return Answer(status=200, body=venue.order_by_client_id(client_order_id))


def _cancel(venue: Venue, call: Call) -> Answer:
    venue.cancel(call.path["order_id"])
    return Answer(status=204, body=None)


def _cancel_all(venue: Venue) -> Answer:
    body = [{"id": order_id, "status": 200} for order_id in venue.cancel_all()]
    return Answer(status=207, body=body)
