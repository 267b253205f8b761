"""What stands inside the exchange sees orders as they are and forges only what is told."""

from decimal import Decimal

import httpx

from api.proving.attacks.watch import Watch
from api.proving.house import STOCK, ScriptedModel, open_house, serving, until
from exchange.market.records import TopOfBook
from exchange.streams.endpoints import Stream


async def test_an_order_is_seen_with_the_quotes_of_its_moment(tmp_path):
    """A refused one too, with how it was taken; equity and holdings are the venue's own."""
    watch = Watch(seed=1)
    async with (
        serving(ScriptedModel()) as model,
        open_house(model=model, folder=tmp_path, faults=watch, history_minutes=2) as house,
    ):
        await until(lambda: house.exchange.venue.quote(STOCK), what="a quote")
        keys = {
            "APCA-API-KEY-ID": house.exchange.key,
            "APCA-API-SECRET-KEY": house.exchange.secret,
        }
        order = {"symbol": STOCK, "qty": "1", "side": "buy", "type": "limit"}
        order |= {"limit_price": "1.00", "time_in_force": "day", "client_order_id": "ah-1-entry-1"}
        async with httpx.AsyncClient(base_url=house.exchange.rest_url, headers=keys) as http:
            for _ in range(2):
                await http.post("/v2/orders", json=order)
        first, again = watch.sent
        assert (first.status, again.status) == (200, 422)
        assert (first.origin, first.leg, first.notional) == ("1", "entry", Decimal("1.00"))
        assert 0 < first.lowest <= first.highest
        assert first.equity == house.exchange.config.knobs.cash
        assert again.held_usd == Decimal("1.00")


async def test_what_is_forged_is_told_and_not_believed_by_matching(tmp_path):
    """The test stream's symbol, which nobody can order, passes as it is: it once ended a run."""
    watch = Watch(seed=1)
    async with (
        serving(ScriptedModel()) as model,
        open_house(model=model, folder=tmp_path, faults=watch, history_minutes=2) as house,
    ):
        await until(lambda: house.exchange.venue.quote(STOCK), what="a quote")
        watch.forges[STOCK] = lambda _message: []
        quotes = [TopOfBook(name, 1, 1, 1.0, 1.0, 2.0, 1.0) for name in (STOCK, "FAKEPACA")]
        told = watch.before_publish(Stream.STOCKS, quotes)
        assert [quote.symbol for quote in told] == ["FAKEPACA"]
        assert watch.forged[STOCK]
        assert house.exchange.venue.quote(STOCK).bid > 100
