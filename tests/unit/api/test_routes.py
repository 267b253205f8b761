"""Every endpoint, over the socket: what it asks the engine and how it answers."""

from decimal import Decimal
from itertools import pairwise

import pytest
from prometheus_client import Counter

from domain.decisions import Outcome
from domain.errors import BrokerRefused, JournalError, OutcomeUnknown
from domain.market import AssetClass, Instrument
from domain.ports import Entry, EntryKind
from engine.control import ControlRefused, UnknownApproval, UnknownSymbol


@pytest.mark.parametrize("verb", ["start", "stop", "halt"])
async def test_control_without_a_body_works_and_answers_the_status(desk, verb) -> None:
    """`curl -X POST .../start` is all it takes, also twice."""
    for _ in range(2):
        answer = await desk.http.post(f"/{verb}")
        assert answer.status_code == 200
        assert answer.json()["session"] == "running"
        assert answer.json()["equity"] == "100012.48"
    assert await desk.asked() == [(verb, {"actor": "http:127.0.0.1", "reason": ""})] * 2


async def test_control_takes_a_reason_however_curl_labels_it(desk) -> None:
    """`curl -d` calls JSON a form; nobody in a hurry is refused for that."""
    for label in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        answer = await desk.http.post(
            "/halt", content=b'{"reason": "news"}', headers={"content-type": label}
        )
        assert answer.status_code == 200
    assert [given["reason"] for _, given in await desk.asked()] == ["news"] * 3


async def test_control_that_is_refused_says_why_and_what_can_be_done(desk) -> None:
    """A conflict is a problem with a code and a remedy."""
    desk.engine.refusal = ControlRefused(
        "Trading is halted for DAILY_LOSS_REACHED.",
        remedy="POST /resume with that code.",
        code="START_NEEDS_RESUME",
    )
    answer = await desk.http.post("/start")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:autohedge:problem:start-needs-resume",
        "title": "Conflict",
        "status": 409,
        "detail": "Trading is halted for DAILY_LOSS_REACHED.",
        "instance": "/start",
        "code": "START_NEEDS_RESUME",
        "remedy": "POST /resume with that code.",
    }


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        ({"code": "DAILY_LOSS_REACHED", "reason": "looked"}, "DAILY_LOSS_REACHED", "looked"),
        ({"reason": "DAILY_LOSS_REACHED"}, "DAILY_LOSS_REACHED", "DAILY_LOSS_REACHED"),
        (None, "", ""),
    ],
)
async def test_resume_hands_on_the_code_that_is_named(desk, body, code, reason) -> None:
    """The engine compares it; a missing one is its to refuse."""
    assert (await desk.http.post("/resume", json=body)).status_code == 200
    expected = {"actor": "http:127.0.0.1", "code": code, "reason": reason}
    assert await desk.asked() == [("resume", expected)]


async def test_flatten_answers_what_is_left(desk) -> None:
    """Account-wide only when it is said."""
    answer = await desk.http.post("/flatten")
    assert answer.json()["items"][0]["protected_by"] == "venue"
    await desk.http.post("/flatten", json={"account_wide": True, "reason": "all"})
    wide = [given["account_wide"] for _, given in await desk.asked()]
    assert wide == [False, True]


async def test_cancel_all_spares_protection_unless_told(desk) -> None:
    """By query or by body; both are explicit."""
    for query, body in (("", None), ("?protective=true", None), ("", {"protective": True})):
        assert (await desk.http.post(f"/cancel-all{query}", json=body)).json() == {
            "items": [],
            "next": None,
            "sweep": None,
        }
    assert [given["protective"] for _, given in await desk.asked()] == [False, True, True]


@pytest.mark.parametrize(
    ("path", "symbol"),
    [("AAPL", "AAPL"), ("BTC/USD", "BTC/USD"), ("btc%2Fusd", "BTC/USD")],
)
async def test_decide_takes_symbols_with_a_slash(desk, path, symbol) -> None:
    """The path is the symbol as it is written everywhere else."""
    answer = await desk.http.post(f"/decide/{path}")
    assert (answer.status_code, answer.json()["symbol"]) == (202, symbol)
    assert await desk.asked() == [("decide", {"actor": "http:127.0.0.1", "symbol": symbol})]


async def test_decide_names_a_symbol_that_is_not_traded(desk) -> None:
    """404, and which are."""
    desk.engine.refusal = UnknownSymbol("ZZZ is not traded here.", remedy="Choose of: AAPL.")
    answer = await desk.http.post("/decide/ZZZ")
    assert (answer.status_code, answer.json()["code"]) == (404, "SYMBOL_NOT_ALLOWED")


async def test_status_health_account_and_positions_tell_how_things_stand(desk) -> None:
    """Money is a string, ages are numbers."""
    assert (await desk.http.get("/status")).json()["symbols"][0]["symbol"] == "BTC/USD"
    account = (await desk.http.get("/account")).json()
    assert (account["account"]["equity"], account["age_s"]) == ("100000.10", 0.5)
    positions = (await desk.http.get("/positions")).json()
    assert (positions["next"], positions["items"][0]["quantity"]) == (None, "0.5")
    health = (await desk.http.get("/health")).json()
    assert (health["status"], health["parts"]["journal"]) == ("ok", True)


async def test_account_that_is_not_known_yet_is_a_503_that_says_so(desk) -> None:
    """Before the venue first answered there is no number to show."""
    desk.engine.money = None
    answer = await desk.http.get("/account")
    assert (answer.status_code, answer.json()["code"]) == (503, "ACCOUNT_UNKNOWN")
    assert answer.headers["retry-after"] == "1"


async def test_health_names_the_part_that_does_not_work(desk) -> None:
    """Degraded is still 200: restarting the process would mend none of it."""
    broken = {"is_journal_up": False, "is_feed_up": False}
    desk.engine.current = type(desk.engine.current)(
        **{f: getattr(desk.engine.current, f) for f in desk.engine.current.__struct_fields__}
        | broken
    )
    answer = await desk.http.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["parts"] == {
        "journal": False,
        "feed": False,
        "order_stream": True,
        "reconciliation": True,
    }


def instrument(symbol: str, asset_class: AssetClass = AssetClass.STOCK) -> Instrument:
    return Instrument(
        symbol=symbol,
        asset_class=asset_class,
        tick=Decimal("0.01"),
        lot=Decimal(1),
        min_notional=Decimal(1),
    )


async def test_assets_are_listed_by_symbol_page_by_page(desk) -> None:
    """Every asset once, whatever order the venue lists them in."""
    desk.engine.traded = [instrument(s) for s in ("C", "A", "E", "B", "D")]
    desk.engine.traded.append(instrument("BTC/USD", AssetClass.CRYPTO))
    seen, after = [], {}
    while True:
        page = (await desk.http.get("/assets", params={"limit": 2, **after})).json()
        seen += [item["symbol"] for item in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert seen == ["A", "B", "BTC/USD", "C", "D", "E"]
    crypto = (await desk.http.get("/assets?asset_class=crypto")).json()
    assert [item["symbol"] for item in crypto["items"]] == ["BTC/USD"]
    named = (await desk.http.get("/assets?symbol=c")).json()
    assert [item["symbol"] for item in named["items"]] == ["C"]


async def test_decisions_are_listed_newest_first_with_an_opaque_cursor(desk) -> None:
    """The pages together are the whole list, and filters narrow it."""
    for n in range(5):
        outcome = Outcome.ORDERED if n == 3 else Outcome.HELD
        await desk.journal.append(desk.decision(f"d{n}", "AAPL" if n == 0 else "BTC/USD", outcome))
    await desk.journal.append(desk.gate("d3", code="PRICE_MOVED"))
    first = (await desk.http.get("/decisions?limit=3")).json()
    rest = (await desk.http.get("/decisions", params={"after": first["next"]})).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == ["d4", "d3", "d2", "d1", "d0"]
    assert rest["next"] is None
    assert first["items"][0]["ts"].endswith("Z")
    for query, expected in (
        ("symbol=AAPL", ["d0"]),
        ("outcome=ordered", ["d3"]),
        ("code=PRICE_MOVED", ["d3"]),
    ):
        found = (await desk.http.get(f"/decisions?{query}")).json()
        assert [item["id"] for item in found["items"]] == expected


async def test_decision_tells_its_whole_story(desk) -> None:
    """Window, prompts, answers, checks, order and fills, in one answer."""
    await desk.journal.append(desk.decision("d1", outcome=Outcome.ORDERED), *desk.order_story("d1"))
    story = (await desk.http.get("/decisions/d1")).json()
    assert story["decision"]["directive"]["thesis"] == "<b>up</b>"
    assert story["decision"]["calls"][0]["raw"] == "buy"
    assert list(story["prompts"].values()) == ["what now?"]
    assert story["window"] == {
        "symbol": "BTC/USD",
        "as_of": "2026-01-01T00:00:00Z",
        "ts_kept": 5,
        "bars": [[1.5]],
    }
    assert story["gates"][0]["checks"][0]["code"] == "PRICE_MOVED"
    (order,) = story["orders"]
    assert order["order"]["state"] == "filled"
    assert order["fills"][0]["fill"]["fee"] == "0.1"
    times = [story["gates"][0]["ts"], order["events"][0]["ts"], order["fills"][0]["ts"]]
    assert all(before <= after for before, after in pairwise(times))


async def test_window_is_served_as_the_file_that_replay_takes(desk) -> None:
    """Byte for byte what the digest names, under its schema."""
    entry = desk.decision("d1")
    await desk.journal.append(entry)
    digest = entry.body["decision"]["window_digest"]
    answer = (await desk.http.get(f"/windows/{digest}")).json()
    assert answer == {"schema": 1, "window": entry.body["window"]}


async def test_orders_are_listed_by_symbol_and_state(desk) -> None:
    """Exits and entries alike, with what became of each."""
    await desk.journal.append(*desk.order_story("d1"), *desk.order_story("d2"))
    page = (await desk.http.get("/orders?limit=1")).json()
    assert page["items"][0]["order"]["request"]["client_order_id"] == "ah-d2-entry-1"
    assert page["next"]
    filled = (await desk.http.get("/orders?state=filled&symbol=BTC/USD")).json()
    assert len(filled["items"]) == 2
    assert (await desk.http.get("/orders?state=canceled")).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "code"),
    [("/decisions/none", "DECISION_NOT_FOUND"), ("/windows/none", "WINDOW_NOT_FOUND")],
)
async def test_what_is_not_on_record_is_a_404_by_its_own_code(desk, path, code) -> None:
    """And it says where to look."""
    answer = await desk.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert answer.json()["remedy"]


async def asked_for(desk, name, symbol="BTC/USD"):
    waiting = desk.decision(name, symbol, outcome=Outcome.AWAITING_APPROVAL)
    body = {"decision_id": name, "status": "pending", "expires_at": "2026-01-01T00:05:00Z"}
    await desk.journal.append(waiting, Entry(kind=EntryKind.APPROVAL, ref=name, body=body))


async def test_approvals_are_listed_with_what_they_rest_on_and_their_time(desk) -> None:
    """Newest first, a page at a time, by symbol; those that were settled only when asked for."""
    for name, symbol in (("d1", "BTC/USD"), ("d2", "AAPL"), ("d3", "BTC/USD")):
        await asked_for(desk, name, symbol)
    await desk.journal.close_approval("d1", "expired", actor="autohedge", reason="late")
    shown = (await desk.http.get("/approvals")).json()["items"]
    assert [row["decision_id"] for row in shown] == ["d3", "d2"]
    assert (shown[0]["seconds_left"], shown[0]["ts_closed"]) == (240.0, None)
    assert shown[0]["directive"]["thesis"] == "<b>up</b>"
    (row,) = (await desk.http.get("/approvals?symbol=aapl")).json()["items"]
    assert row["symbol"] == "AAPL"
    first = (await desk.http.get("/approvals?closed=true&limit=2")).json()
    rest = (await desk.http.get(f"/approvals?closed=true&after={first['next']}")).json()
    (closed,) = rest["items"]
    assert (closed["status"], closed["actor"], closed["reason"]) == ("expired", "autohedge", "late")
    assert closed["seconds_left"] is None
    assert closed["ts_closed"]


@pytest.mark.parametrize("verb", ["approve", "reject"])
async def test_a_person_closes_an_approval_with_a_reason_and_a_name(desk, verb) -> None:
    """The engine is told who spoke and why; its answer says in one line what came of it."""
    answer = await desk.http.post(f"/approvals/d1/{verb}", json={"reason": "because"})
    assert answer.status_code == 200
    assert answer.json()["message"]
    said = {"decision_id": "d1", "actor": "http:127.0.0.1", "reason": "because"}
    assert await desk.asked() == [(verb, said)]


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (UnknownApproval("None.", remedy="Look."), 404, "APPROVAL_NOT_FOUND"),
        (ControlRefused("Ann was first.", remedy="Look.", code="NOT_PENDING"), 409, "NOT_PENDING"),
        (ControlRefused("Off.", remedy="Look.", code="APPROVALS_OFF"), 409, "APPROVALS_OFF"),
        (JournalError("Down."), 503, "JOURNAL_DOWN"),
    ],
)
async def test_an_approval_that_cannot_be_closed_says_why(desk, refusal, status, code) -> None:
    """Each refusal has its own code and what to do."""
    desk.engine.refusal = refusal
    answer = await desk.http.post("/approvals/d1/approve")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_report_adds_up_with_positions_at_their_marks(desk) -> None:
    """Half a coin at 100, less a dime's worth of it for the fee, stands at 110."""
    await desk.journal.append(desk.decision("d1", outcome=Outcome.ORDERED), *desk.order_story("d1"))
    report = (await desk.http.get("/report")).json()
    assert (report["decisions"], report["by_outcome"]) == (1, {"ordered": 1})
    assert Decimal(report["unrealized"]) == Decimal("4.99")
    assert Decimal(report["net_usd"]) == Decimal("4.99") - Decimal("0.1") - Decimal("0.25")
    later = (await desk.http.get("/report?since=2100-01-01T00:00:00Z")).json()
    assert (later["decisions"], later["since"]) == (0, "2100-01-01T00:00:00.000000000Z")


async def test_metrics_speak_prometheus(desk) -> None:
    """The registry that was given, in its text format."""
    Counter("autohedge_probe", "A probe.", registry=desk.registry).inc()
    answer = await desk.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "autohedge_probe_total 1.0" in answer.text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (JournalError("The disk is full.", remedy="Make room."), 503),
        (OutcomeUnknown("The venue did not answer."), 502),
        (BrokerRefused("The key was refused.", remedy="Check APCA_API_KEY_ID."), 502),
    ],
)
async def test_failures_of_ours_keep_their_code_and_remedy(desk, error, status) -> None:
    """Each class has its status; the text is one line for a person."""
    desk.engine.refusal = error
    answer = await desk.http.get("/assets")
    assert (answer.status_code, answer.json()["code"]) == (status, error.code)
    assert answer.json()["remedy"] == error.remedy


async def test_journal_that_cannot_be_read_does_not_take_the_status_down(desk) -> None:
    """Records answer 503, what stands now still answers."""
    desk.engine.unreadable = JournalError("The journal is away.")
    assert (await desk.http.get("/decisions")).json()["code"] == "JOURNAL_DOWN"
    assert (await desk.http.get("/status")).status_code == 200


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize(
    "time",
    ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2262-05-01"],
)
async def test_report_takes_times_beyond_what_a_database_counts(desk, name, time) -> None:
    """The year 9999 in nanoseconds is no 64-bit number; it was answered with 500."""
    for path in ("/report", "/funnel", "/equity"):
        answer = await desk.http.get(path, params={name: time})
        assert answer.status_code in {200, 422}, path


async def test_what_has_been_is_listed_fills_equity_and_what_people_did(desk) -> None:
    """Newest first, money as strings, times as RFC 3339."""
    await desk.journal.append(desk.decision("d1", outcome=Outcome.ORDERED), *desk.order_story("d1"))
    marks = {"day": "2026-01-01", "day_start": "100", "peak": "101"}
    equity = {"equity": "100.50", "cash": "5", **marks}
    action = {"action": "halt", "actor": "http:ann", "reason": "news", "args": {}}
    await desk.journal.append(
        Entry(kind=EntryKind.EQUITY, ref="a", body=equity),
        Entry(kind=EntryKind.OPERATOR_ACTION, ref="halt", body=action),
    )
    (fill,) = (await desk.http.get("/fills?symbol=btc/usd")).json()["items"]
    assert (fill["fill"]["price"], fill["fill"]["leg"]) == ("100", "entry")
    assert (await desk.http.get("/fills?symbol=ETH/USD")).json()["items"] == []
    old = {"since": "1960-01-01T00:00:00Z", "points": 3}
    (point,) = (await desk.http.get("/equity", params=old)).json()["items"]
    assert (point["equity"], point["ts"][-1]) == ("100.50", "Z")
    (done,) = (await desk.http.get("/actions")).json()["items"]
    assert (done["action"], done["actor"], done["reason"]) == ("halt", "http:ann", "news")


async def test_the_funnel_tells_what_was_due_only_for_all_since_the_start(desk) -> None:
    """The engine counts since it started, and not by symbol: else it says that it does not know."""
    await desk.journal.append(desk.decision("d1"), desk.gate("d1", code="PRICE_MOVED"))
    whole = (await desk.http.get("/funnel")).json()
    assert (whole["due"], whole["started"]) == (44, 41)
    part = (await desk.http.get("/funnel?since=1960-01-01T00:00:00Z")).json()
    assert (part["due"], part["started"]) == (None, None)
    assert (part["by_outcome"], part["denied"]) == ({"held": 1}, {"PRICE_MOVED": 1})
    other = (await desk.http.get("/funnel?since=1960-01-01T00:00:00Z&symbol=aapl")).json()
    assert (other["by_outcome"], other["denied"]) == ({}, {})


async def test_reduce_and_candles_are_asked_of_the_engine(desk) -> None:
    """The reason goes along; a symbol's slash and its case are forgiven."""
    assert (await desk.http.post("/reduce", json={"reason": "earnings"})).status_code == 200
    bars = (await desk.http.get("/bars/btc/usd?limit=7")).json()
    assert bars["bars"][0][0].endswith("Z")
    assert [ask for ask in await desk.asked() if ask[0] in {"reduce", "bars"}] == [
        ("reduce", {"actor": "http:127.0.0.1", "reason": "earnings"}),
        ("bars", {"symbol": "BTC/USD", "limit": 7}),
    ]
    for path in (
        "/bars/AAPL?limit=0",
        "/bars/AAPL?limit=251",
        "/equity?points=501",
        "/fills?limit=0",
    ):
        assert (await desk.http.get(path)).status_code == 422, path
    for path in ("/decisions?text=", f"/decisions?text={'x' * 201}"):
        assert (await desk.http.get(path)).status_code == 422, path
