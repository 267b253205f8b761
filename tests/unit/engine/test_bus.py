"""The bus: a lossy copy for watchers that none of them can stop."""

import asyncio
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.account import Position
from domain.market import Quote
from engine.bus import Bus, BusEvent, EventKind, Subscription, publish_quotes
from engine.clock import ManualClock, settle


async def read(subscription: Subscription, number: int) -> list[BusEvent]:
    return [await asyncio.wait_for(anext(subscription), 60) for _ in range(number)]


async def test_every_watcher_gets_its_own_copy_in_order() -> None:
    """One watcher's reading takes nothing from another's."""
    bus = Bus()
    with bus.subscribe() as first, bus.subscribe() as second:
        bus.publish(EventKind.ORDER_SUBMITTED, {"n": 1, "seq": 7})
        bus.publish("fill_received", {"n": 2})
        expected = [
            BusEvent("order_submitted", {"n": 1, "seq": 7}),
            BusEvent("fill_received", {"n": 2}),
        ]
        assert [event.seq for event in expected] == [7, None]
        assert await read(first, 2) == expected
        assert await read(second, 2) == expected


async def test_slow_watcher_loses_its_oldest_events_and_is_told_how_many() -> None:
    """It misses, it knows that it missed, and the others miss nothing."""
    bus = Bus()
    with bus.subscribe(size=2) as slow, bus.subscribe() as quick:
        for n in range(5):
            bus.publish(EventKind.BAR_CLOSED, {"n": n})
        gap, *rest = await read(slow, 3)
        assert gap == BusEvent("gap", {"dropped": 3})
        assert [event.data["n"] for event in rest] == [3, 4]
        assert [event.data["n"] for event in await read(quick, 5)] == [0, 1, 2, 3, 4]
        assert bus.dropped == 3
    assert (bus.dropped, bus.subscribers) == (3, 0)


async def test_watcher_that_waits_is_woken_by_the_next_event() -> None:
    """Waiting costs no polling."""
    bus = Bus()
    with bus.subscribe() as events:
        waiting = asyncio.ensure_future(anext(events))
        await settle()
        assert not waiting.done()
        bus.publish(EventKind.RECONCILED, {})
        assert (await waiting).kind == "reconciled"


async def test_watcher_that_left_is_sent_nothing() -> None:
    """Leaving twice is no error, and a bus without watchers does nothing."""
    bus = Bus()
    with bus.subscribe() as events:
        pass
    events.__exit__(None, None, None)
    bus.publish(EventKind.ALERT_RAISED, {})
    waiting = asyncio.ensure_future(anext(events))
    await settle()
    assert not waiting.done()
    waiting.cancel()


async def test_watcher_cancelled_while_it_waits_loses_no_event() -> None:
    """A stream that times its waiting out, to send a heartbeat, misses nothing."""
    bus = Bus()
    with bus.subscribe() as events:
        waiting = asyncio.ensure_future(anext(events))
        await settle()
        bus.publish(EventKind.RECONCILED, {})
        waiting.cancel()
        await settle()
        assert (await read(events, 1))[0].kind == "reconciled"


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4), n=st.integers(0, 30))
def test_what_a_watcher_got_and_what_it_was_told_it_missed_is_everything(
    sizes: list[int], n: int
) -> None:
    """Nothing vanishes without being counted."""

    async def story() -> None:
        bus = Bus()
        subscriptions = [bus.subscribe(size=size) for size in sizes]
        for number in range(n):
            bus.publish(EventKind.BAR_CLOSED, {"n": number})
        for size, subscription in zip(sizes, subscriptions, strict=True):
            missed = max(0, n - size)
            events = await read(subscription, min(n, size) + bool(missed))
            if missed:
                assert events.pop(0).data == {"dropped": missed}
            assert [event.data["n"] for event in events] == list(range(missed, n))

    asyncio.run(story())


def quote(symbol: str, bid: float) -> Quote:
    return Quote(symbol=symbol, bid=bid, bid_size=1, ask=bid + 1, ask_size=2, ts_event=0, ts_recv=0)


async def test_quotes_are_sampled_four_times_a_second_and_only_when_they_changed() -> None:
    """A storm of ticks is a breeze on the bus."""
    bus, clock = Bus(), ManualClock()
    quotes = {"A": quote("A", 1), "B": quote("B", 1)}
    reads = 0

    def latest() -> list[Quote]:
        nonlocal reads
        reads += 1
        return list(quotes.values())

    sampling = asyncio.create_task(publish_quotes(bus, clock=clock, latest=latest))
    await clock.advance(10)
    assert reads == 0
    with bus.subscribe() as events:
        for tick in range(100):
            quotes["A"] = quote("A", tick)
            await clock.advance(0.01)
        got = await read(events, 5)
        assert [event.data["symbol"] for event in got].count("A") == 4
        assert [event.data["bid"] for event in got if event.data["symbol"] == "B"] == [1]
        assert {event.kind for event in got} == {"quote_updated"}
        last = asyncio.ensure_future(anext(events))
        await settle()
        assert not last.done()
        last.cancel()
    sampling.cancel()


class Unwritable:
    """What no record may hold; writing it out is an error."""


async def test_nothing_is_written_out_while_nobody_watches() -> None:
    """A backtest has no watchers, and wrote out for them what each order did."""
    bus = Bus()
    bus.publish(EventKind.FILL_RECEIVED, Unwritable())
    with bus.subscribe() as events:
        with pytest.raises(TypeError):
            bus.publish(EventKind.FILL_RECEIVED, {"fill": Unwritable()})
        bus.publish(EventKind.RECONCILED, {})
        assert await read(events, 1) == [BusEvent("reconciled", {})]
    bus.publish(EventKind.FILL_RECEIVED, Unwritable())


async def test_watchers_get_plain_values_of_records_as_they_were_told() -> None:
    """Whatever was published: a record, or a mapping that holds some, which may change later."""
    quote = Quote("AAPL", 99.0, 1.0, 101.0, 2.0, 3, 4)
    position = Position(
        symbol="AAPL", quantity=Decimal("1.50"), average_price=Decimal(9), available=Decimal(0)
    )
    held = {"kind": EventKind.GAP, "position": position, "none": None, "rows": [quote]}
    bus = Bus()
    with bus.subscribe() as first, bus.subscribe() as second:
        bus.publish(EventKind.POSITION_CHANGED, held)
        bus.publish(EventKind.FILL_RECEIVED, position)
        held["rows"].clear()
        heard = [event.data for event in await read(first, 2)]
        assert heard == [event.data for event in await read(second, 2)]
    mapped, alone = heard
    assert alone == mapped["position"]
    assert alone["quantity"] == "1.50"
    assert (mapped["none"], len(mapped["rows"])) == (None, 1)
    assert type(mapped["kind"]) is str
    assert msgspec.json.decode(msgspec.json.encode(heard)) == heard
