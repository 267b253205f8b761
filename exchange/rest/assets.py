"""`/v2/assets`: what the venue lists."""

from typing import Any

from exchange.errors import not_found
from exchange.faults import Answer
from exchange.matching.listing import AssetClass, Listing
from exchange.matching.orders import number
from exchange.rest.gate import Action, Call
from exchange.venue import Venue


def actions(venue: Venue) -> dict[tuple[str, str], Action]:
    """Return the actions by method and path."""
    return {
        ("GET", "/v2/assets"): lambda call: _list(venue, call),
        # alpaca-py does not escape the slash of BTC/USD, so the symbol is the rest of the path.
        ("GET", "/v2/assets/{symbol:path}"): lambda call: _one(venue, call),
    }


def asset_body(listing: Listing) -> dict[str, Any]:
    """Render one asset (source: the assets page).

    `easy_to_borrow` was deprecated in June 2026 for `borrow_status`; alpaca-py 0.44 still needs
    it, so both are sent, as the venue did in October 2026.
    """
    requirement = number(listing.margin_requirement)
    body: dict[str, Any] = {
        "id": listing.asset_id,
        "class": listing.asset_class.value,
        "exchange": listing.exchange,
        "symbol": listing.symbol,
        "name": listing.name,
        "status": "active" if listing.active else "inactive",
        "tradable": listing.tradable,
        "marginable": listing.marginable,
        "maintenance_margin_requirement": int(listing.margin_requirement),
        "margin_requirement_long": requirement,
        "margin_requirement_short": requirement,
        "shortable": listing.shortable,
        "easy_to_borrow": listing.easy_to_borrow,
        "fractionable": listing.fractionable,
        "attributes": list(listing.attributes),
    }
    if listing.is_crypto:
        return body | {
            "min_order_size": number(listing.min_order_size),
            "min_trade_increment": number(listing.lot),
            "price_increment": number(listing.price_increment),
        }
    status = "easy_to_borrow" if listing.easy_to_borrow else "hard_to_borrow"
    return body | {"borrow_status": status}


def _list(venue: Venue, call: Call) -> Answer:
    query = call.query
    asset_class = query.choice("asset_class", AssetClass) or AssetClass.US_EQUITY
    status, exchange = query.one_of("status", "", "active", "inactive"), query.text("exchange")
    attributes = query.names("attributes")
    found = [
        listing
        for listing in venue.instruments.values()
        if listing.asset_class is asset_class
        and (not status or (status == "active") is listing.active)
        and exchange in (None, listing.exchange)
        and (not attributes or not attributes.isdisjoint(listing.attributes))
    ]
    found.sort(key=lambda listing: (listing.exchange, listing.symbol))
    return Answer(status=200, body=[asset_body(listing) for listing in found])


def _one(venue: Venue, call: Call) -> Answer:
    symbol = call.path["symbol"]
    listing = venue.find(symbol)
    if listing is None:
        raise not_found(f"asset not found for {symbol}")
    return Answer(status=200, body=asset_body(listing))
