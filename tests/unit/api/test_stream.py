"""The event stream: live, resumable by the journal's numbers, and held up by nobody."""

import asyncio
import json
from contextlib import ExitStack, aclosing, asynccontextmanager

import pytest

from api.stream import StreamResponse, frame
from domain.decisions import Outcome
from domain.errors import JournalError
from domain.ports import Entry, EntryKind
from engine.bus import BusEvent, EventKind


@asynccontextmanager
async def watching(desk, last_id: int | None = None):
    """Open /events; yield an iterator of (kind, id, data) that skips comments."""
    headers = {} if last_id is None else {"last-event-id": str(last_id)}
    async with desk.client() as http, http.stream("GET", "/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        async with aclosing(_events(answer)) as events:
            yield events


async def _events(answer):
    fields = {}
    async for line in answer.aiter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if "data" in fields:
            number = fields.get("id")
            data = json.loads(fields["data"])
            yield fields["event"], None if number is None else int(number), data
        fields = {}


async def take(events, number: int) -> list:
    async with asyncio.timeout(60):
        return [await anext(events) for _ in range(number)]


async def test_unjournaled_kinds_come_from_the_bus_without_an_id(desk) -> None:
    """Quotes and bars as they come, times as RFC 3339."""
    async with watching(desk) as events:
        desk.bus.publish(EventKind.QUOTE_UPDATED, {"symbol": "A", "bid": 1.5})
        desk.bus.publish(EventKind.BAR_CLOSED, {"symbol": "A", "ts": 1_700_000_000_000_000_000})
        assert await take(events, 2) == [
            ("quote_updated", None, {"symbol": "A", "bid": 1.5}),
            ("bar_closed", None, {"symbol": "A", "ts": "2023-11-14T22:13:20.000000000Z"}),
        ]


async def test_a_watcher_hears_the_quotes_of_the_symbols_it_asked_for(desk) -> None:
    """A page that shows one of fifty is not told the others'; what is no price it hears all of."""
    path = "/events?quotes=b,C/USD"
    async with (
        desk.client() as http,
        http.stream("GET", path) as answer,
        aclosing(_events(answer)) as events,
    ):
        for symbol in ("A", "B", "C/USD"):
            desk.bus.publish(EventKind.QUOTE_UPDATED, {"symbol": symbol})
            desk.bus.publish(EventKind.TICKET_DROPPED, {"symbol": symbol})
        told = [(kind, data["symbol"]) for kind, _, data in await take(events, 5)]
    dropped = [("ticket_dropped", symbol) for symbol in ("A", "B", "C/USD")]
    assert sorted(told) == [("quote_updated", "B"), ("quote_updated", "C/USD"), *dropped]


async def test_a_watcher_who_is_cut_before_its_first_event_knows_where_it_began(desk) -> None:
    """What happens while it is away is told when it comes back with that number."""
    await desk.journal.append(desk.alert("before"))
    async with desk.client() as http, http.stream("GET", "/events") as answer:
        lines = answer.aiter_lines()
        first = [await anext(lines) for _ in range(3)]
    assert first[2] == "id: 1"
    await desk.journal.append(desk.alert("meanwhile"))
    async with watching(desk, last_id=1) as events:
        ((_, _, told),) = await take(events, 1)
    assert told["message"] == "meanwhile"


async def test_journaled_kinds_come_once_with_their_entrys_number(desk) -> None:
    """The publisher need not know the number, and its copy on the bus is not told twice."""
    async with watching(desk) as events:
        entries = [desk.decision("d1", outcome=Outcome.ORDERED), *desk.order_story("d1")]
        desk.journal.trace(*entries)
        for kind in ("decision_finished", "order_submitted", "order_updated", "fill_received"):
            desk.bus.publish(kind, {"from": "bus"})
        told = await take(events, 4)
    assert [(kind, number) for kind, number, _ in told] == [
        ("decision_finished", 1),
        ("order_submitted", 3),
        ("order_updated", 4),
        ("fill_received", 5),
    ]
    assert (told[0][2]["outcome"], told[0][2]["action"]) == ("ordered", "buy")
    assert told[2][2]["order"]["state"] == "filled"


@pytest.mark.parametrize(
    ("kind", "body", "event", "shown"),
    [
        (
            EntryKind.TRADING_STATE,
            {"state": "halted", "code": "OPERATOR"},
            "state_changed",
            {"state": "halted", "code": "OPERATOR"},
        ),
        (EntryKind.SESSION, {"state": "running"}, "state_changed", {"session": "running"}),
        (EntryKind.RECONCILIATION, {"clean": True}, "reconciled", {"clean": True}),
        (
            EntryKind.APPROVAL,
            {"decision_id": "d", "status": "pending"},
            "approval_requested",
            {"decision_id": "d"},
        ),
        (
            EntryKind.APPROVAL,
            {"decision_id": "d", "status": "expired"},
            "approval_closed",
            {"status": "expired"},
        ),
        (EntryKind.ALERT, {"code": "X", "message": "m"}, "alert_raised", {"message": "m"}),
    ],
)
async def test_each_kind_of_entry_is_told_by_its_name(desk, kind, body, event, shown) -> None:
    """The journal's kinds and the watchers' kinds meet in one table."""
    await desk.journal.append(Entry(kind=kind, ref="r", body=body))
    async with watching(desk, last_id=0) as events:
        ((told, number, data),) = await take(events, 1)
    assert (told, number, data["ref"]) == (event, 1, "r")
    assert shown.items() <= data.items()


async def test_denied_order_is_told_and_an_authorized_one_is_not(desk) -> None:
    """A gate that opens is told by the order that follows."""
    await desk.journal.append(desk.gate("d1"), desk.gate("d2", code="PRICE_MOVED"))
    async with watching(desk, last_id=0) as events:
        ((kind, number, data),) = await take(events, 1)
    assert (kind, number, data["code"]) == ("order_denied", 2, "PRICE_MOVED")


async def test_watcher_who_comes_back_misses_nothing_and_hears_nothing_twice(desk) -> None:
    """`Last-Event-ID` resumes from the journal, then the stream goes on live."""
    await desk.journal.append(*(desk.alert(str(n)) for n in range(1, 4)))
    async with watching(desk, last_id=1) as events:
        assert [number for _, number, _ in await take(events, 2)] == [2, 3]
        await desk.journal.append(desk.alert("4"))
        desk.bus.publish(EventKind.ALERT_RAISED, {})
        assert [number for _, number, _ in await take(events, 1)] == [4]
    await desk.journal.append(desk.alert("5"), desk.alert("6"))
    async with watching(desk, last_id=4) as events:
        assert [number for _, number, _ in await take(events, 2)] == [5, 6]


async def test_cuts_at_any_moment_lose_and_double_nothing(desk) -> None:
    """A watcher who is cut again and again while entries stream in hears each exactly once."""
    total, heard, last = 60, [], 0

    async def write() -> None:
        for n in range(total):
            await desk.journal.append(desk.alert(str(n)))
            desk.bus.publish(EventKind.ALERT_RAISED, {})

    writing = asyncio.create_task(write())
    async with asyncio.timeout(60):
        while last < total:
            async with watching(desk, last_id=last) as events:
                for _ in range(min(7, total - last)):
                    ((_, last, _),) = await take(events, 1)
                    heard.append(last)
    await writing
    assert heard == list(range(1, total + 1))


async def test_new_watcher_begins_now(desk) -> None:
    """Without `Last-Event-ID` there is no history."""
    await desk.journal.append(desk.alert("old"))
    async with watching(desk) as events:
        await desk.journal.append(desk.alert("new"))
        desk.bus.publish(EventKind.ALERT_RAISED, {})
        ((_, number, data),) = await take(events, 1)
    assert (number, data["message"]) == (2, "new")


async def test_entries_that_no_one_announced_are_told_all_the_same(desk) -> None:
    """The journal is looked at even when the bus is silent."""
    async with watching(desk) as events:
        await desk.journal.append(desk.alert("quiet"))
        ((_, _, data),) = await take(events, 1)
    assert data["message"] == "quiet"


async def test_long_absence_is_told_as_a_gap(serving) -> None:
    """Replay is bounded: what lies before it is counted."""
    desk = await serving(max_replay=2)
    await desk.journal.append(*(desk.alert(str(n)) for n in range(5)))
    async with watching(desk, last_id=0) as events:
        told = await take(events, 3)
    assert told[0] == ("gap", None, {"dropped": 3})
    assert [number for _, number, _ in told[1:]] == [4, 5]


async def test_number_past_the_journals_end_begins_now(desk) -> None:
    """A watcher of an older database is no error."""
    async with watching(desk, last_id=999) as events:
        await desk.journal.append(desk.alert())
        desk.bus.publish(EventKind.ALERT_RAISED, {})
        assert [number for _, number, _ in await take(events, 1)] == [1]


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "9" * 30, "\uff11"])
async def test_number_that_is_none_is_refused(desk, number) -> None:
    """400 by its own code."""
    answer = await desk.http.get("/events", headers={"last-event-id": number.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "EVENT_ID_INVALID")


async def test_journal_that_cannot_be_read_leaves_the_bus_to_be_told(desk) -> None:
    """Watchers learn of it while it lasts, without numbers, and get these when it is over."""
    async with watching(desk) as events:
        desk.engine.unreadable = JournalError("The journal is away.")
        await asyncio.sleep(0)
        for _ in range(3):
            desk.bus.publish(EventKind.ALERT_RAISED, {"code": "JOURNAL_DOWN"})
        told = await take(events, 1)
        assert told[0] == ("alert_raised", None, {"code": "JOURNAL_DOWN"})
        desk.engine.unreadable = None
        await desk.journal.append(desk.alert("back"))
        async with asyncio.timeout(60):
            async for _, number, data in events:
                if number is not None:
                    assert data["message"] == "back"
                    break


async def test_journal_that_cannot_be_read_refuses_a_new_watcher(desk) -> None:
    """503 before a stream that could promise nothing."""
    desk.engine.unreadable = JournalError("The journal is away.")
    answer = await desk.http.get("/events")
    assert (answer.status_code, answer.json()["code"]) == (503, "JOURNAL_DOWN")
    assert desk.app.state.stream.watchers == 0


async def test_watchers_are_bounded_and_a_place_is_free_again_when_one_leaves(serving) -> None:
    """One more than allowed is told so."""
    desk = await serving(max_watchers=1)
    async with watching(desk):
        answer = await desk.http.get("/events")
        assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY_STREAMS")
    await until(lambda: desk.app.state.stream.watchers == 0)
    async with watching(desk):
        assert desk.app.state.stream.watchers == 1


async def until(is_true) -> None:
    """Wait until it is true, for at most ten seconds."""
    async with asyncio.timeout(60):
        while not is_true():  # noqa: ASYNC110 - what is waited for is on another connection
            await asyncio.sleep(0.01)


async def test_slow_watcher_holds_nobody_up_and_is_let_go(serving) -> None:
    """One that reads nothing loses events, then its place; the other hears everything."""
    desk = await serving(send_deadline_s=0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port, limit=1024)
    writer.write(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    await until(lambda: desk.app.state.stream.watchers == 1)
    async with watching(desk) as events:
        numbers = []

        async def listen() -> None:
            async for kind, _, data in events:
                assert kind == "bar_closed"
                numbers.append(data["n"])
                if data["n"] == 3999:
                    return

        listening = asyncio.create_task(listen())
        for n in range(4000):
            desk.bus.publish(EventKind.BAR_CLOSED, {"n": n, "padding": "x" * 4000})
            await asyncio.sleep(0)
            if n % 100 == 99:
                await until(lambda n=n: len(numbers) > n - 500)
        await asyncio.wait_for(listening, 60)
        assert numbers == list(range(4000))
        await until(lambda: desk.app.state.stream.watchers == 1)
    assert (await desk.http.get("/status")).status_code == 200
    writer.close()
    reader.feed_eof()


async def test_watcher_who_left_during_a_replay_is_written_to_no_more() -> None:
    """Nothing waited between chunks that were ready, so nobody noticed before the last of them."""
    sent = []

    async def past():
        for n in range(1000):
            yield b"data: %d\n\n" % n

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    with ExitStack() as held:
        response = StreamResponse(past(), closed=asyncio.Event(), held=held, deadline_s=10)
        await response({}, receive, send)
    assert len(sent) < 10


async def test_silence_is_filled_with_comments(serving) -> None:
    """A proxy does not take a quiet market for a dead connection."""
    desk = await serving(heartbeat_s=0.05)
    async with desk.http.stream("GET", "/events") as answer:
        lines = answer.aiter_lines()
        async with asyncio.timeout(60):
            opening = ["retry: 2000", "", "id: 0", "", ": keep-alive"]
            assert [await anext(lines) for _ in opening] == opening


async def test_closing_ends_every_stream_so_that_the_server_can_stop(desk) -> None:
    """No watcher keeps the process alive."""
    async with watching(desk) as events:
        desk.app.state.stream.close()
        async with asyncio.timeout(60):
            assert [event async for event in events] == []


def test_event_is_written_as_the_standard_has_it() -> None:
    """One line of JSON, whatever text it holds."""
    event = BusEvent("alert_raised", {"seq": 7, "message": "a\nb\r\n\ndata: forged"})
    assert frame(event) == (
        b'id: 7\nevent: alert_raised\ndata: {"seq":7,"message":"a\\nb\\r\\n\\ndata: forged"}\n\n'
    )
