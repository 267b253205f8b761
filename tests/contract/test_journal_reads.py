"""What people, restarts and replays read is what was journaled, whatever the database."""

import asyncio
from decimal import Decimal

import pytest

from domain.decisions import Action, Directive, Outcome, Role
from domain.errors import ConfigError, JournalError
from domain.orders import Leg, OrderEventKind, OrderState, Side
from domain.ports import EntryKind
from domain.records import NS_PER_S, digest
from journal.database import JournalConfig
from journal.reads.reader import Reader
from journal.reads.report import Span


async def test_an_order_is_open_from_its_intent_to_its_terminal_event(journal, make):
    """A restart must look up what was written ahead, also when nothing was heard of it."""
    asked, sent = make.request("d1"), make.request("d2", symbol="MSFT")
    await journal.append(make.intent(asked), make.intent(sent))
    assert [o.state for o in await journal.reader.orders.open()] == [
        OrderState.SUBMITTING,
        OrderState.SUBMITTING,
    ]
    await journal.append(make.accepted(sent), *make.filled(asked))
    [still] = await journal.reader.orders.open()
    assert (still.symbol, still.state) == ("MSFT", OrderState.ACCEPTED)
    assert (await journal.reader.orders.find(asked.client_order_id)).state is OrderState.FILLED
    assert await journal.reader.orders.find("ah-nobody-entry-1") is None


async def test_an_intent_written_twice_does_not_reset_the_order(journal, make):
    """A line of the spool may repeat what the journal holds: the order keeps its state."""
    asked = make.request()
    await journal.append(make.intent(asked), *make.filled(asked))
    await journal.append(make.intent(asked))
    assert (await journal.reader.orders.find(asked.client_order_id)).state is OrderState.FILLED


async def test_an_order_comes_back_as_it_was_journaled(journal, make):
    """Decimals, times and enums survive: what the reducer left is what a restart starts from."""
    asked = make.request(quantity="0.123456789")
    await journal.append(make.intent(asked), *make.filled(asked))
    order = await journal.reader.orders.find(asked.client_order_id)
    assert order.request == asked
    assert order.filled_quantity == Decimal("0.123456789")


async def test_orders_join_their_origin_and_tell_the_attempts_used(journal, make):
    """The attempt rises only after the one before: a restart asks which was the last."""
    stops = [make.request("d1", Leg.STOP, n, side=Side.SELL) for n in (1, 2, 10)]
    await journal.append(make.intent(make.request("d1")), *(make.intent(s) for s in stops))
    assert len(await journal.reader.orders.of_origin("d1")) == 4
    attempts = await journal.reader.orders.attempts("d1")
    assert attempts == {Leg.ENTRY: 1, Leg.STOP: 10}


async def test_the_last_entry_of_a_symbol_is_the_newest_that_filled(journal, make):
    """Protection is found again from the entry that opened the position."""
    first, second, third = (make.request(f"d{n}") for n in (1, 2, 3))
    for asked in (first, second):
        await journal.append(make.intent(asked), *make.filled(asked, execution=asked.decision_id))
    await journal.append(make.intent(third), make.accepted(third))
    assert (await journal.reader.orders.last_entry("AAPL")).request == second
    assert await journal.reader.orders.last_entry("MSFT") is None


async def test_orders_are_paged_newest_first_by_symbol_and_state(journal, make):
    """The list of `GET /orders`."""
    for n in range(1, 8):
        await journal.append(
            make.intent(make.request(f"d{n}", symbol="AAPL" if n % 2 else "BTC/USD"))
        )
    await journal.append(make.accepted(make.request("d7")))
    page = await journal.reader.orders.page(limit=3)
    rest = await journal.reader.orders.page(limit=50, after=page.next)
    names = [row.order.request.decision_id for row in (*page.items, *rest.items)]
    assert names == ["d7", "d6", "d5", "d4", "d3", "d2", "d1"]
    assert rest.next is None
    crypto = await journal.reader.orders.page(symbol="BTC/USD")
    assert [row.order.request.decision_id for row in crypto.items] == ["d6", "d4", "d2"]
    accepted = await journal.reader.orders.page(state=OrderState.ACCEPTED)
    assert [row.order.request.decision_id for row in accepted.items] == ["d7"]


async def test_order_events_are_told_in_order_with_their_reason(journal, make):
    """The life of an order, word for word, also with a NUL in the venue's text."""
    asked = make.request()
    rejected = make.happened(
        asked, OrderEventKind.REJECTED, OrderState.REJECTED, reason="no\0 money"
    )
    await journal.append(make.intent(asked), make.accepted(asked), rejected)
    events = await journal.reader.orders.events(asked.client_order_id)
    assert [(e.kind, e.state) for e in events] == [
        ("accepted", OrderState.ACCEPTED),
        ("rejected", OrderState.REJECTED),
    ]
    assert events[1].reason == "no money"


async def test_a_fill_counts_once_and_a_busted_one_not_at_all(journal, make):
    """The same execution twice is one fill; the venue may take one back."""
    asked = make.request()
    event, fill = make.filled(asked, execution="x1")
    await journal.append(make.intent(asked), event, fill)
    await journal.append(fill)
    assert [row.fill.execution_id for row in await journal.reader.orders.fills()] == ["x1"]
    bust = make.happened(asked, OrderEventKind.TRADE_BUSTED, OrderState.ACCEPTED, execution="x1")
    await journal.append(bust)
    assert await journal.reader.orders.fills() == []


async def test_fills_are_read_since_a_time_and_by_symbol(journal, make, clock):
    """Counts since the start of a day."""
    for n, symbol in enumerate(("AAPL", "MSFT", "AAPL"), start=1):
        await journal.append(*make.filled(make.request(f"d{n}", symbol=symbol)))
        noon = clock.now_ns() + 1
        await clock.advance(1)
    assert len(await journal.reader.orders.fills()) == 3
    assert len(await journal.reader.orders.fills(symbol="AAPL")) == 2
    assert await journal.reader.orders.fills(since_ns=noon) == []
    [last] = await journal.reader.orders.fills(since_ns=noon - 1)
    assert last.fill.client_order_id == "ah-d3-entry-1"


async def test_origins_are_found_by_id_and_by_symbol(journal, make):
    """Every venue order joins to a decision or to a journaled record."""
    await journal.append(
        make.plainly("origin", id="p1", kind="protection", symbol="AAPL", reason="adopted"),
        make.plainly("origin", id="p2", kind="flatten", symbol="AAPL", parent="p1"),
        make.plainly("origin", id="p3", kind="operator", symbol="MSFT"),
    )
    assert (await journal.reader.orders.origin("p2")).parent == "p1"
    assert await journal.reader.orders.origin("p9") is None
    assert [o.id for o in await journal.reader.orders.origins("AAPL")] == ["p2", "p1"]


async def test_an_empty_journal_has_no_states(journal):
    """A journal that never traded says so by none."""
    states = journal.reader.states
    assert await states.trading() is None
    assert await states.session() is None
    assert await states.equity() is None
    assert await states.reconciliation() is None
    assert await journal.reader.orders.open() == []
    assert await journal.reader.last_seq() == 0


async def test_the_last_state_is_the_one_that_counts(journal, make):
    """Trading state and session survive a restart."""
    for state, code in (("active", "RESUMED"), ("reducing", "DAILY_LOSS_REACHED")):
        await journal.append(
            make.plainly("trading_state", state=state, code=code, reason="r", actor="a"),
            make.plainly("session", state="running", reason=code),
        )
    assert (await journal.reader.states.trading()).code == "DAILY_LOSS_REACHED"
    assert (await journal.reader.states.session()).body["reason"] == "DAILY_LOSS_REACHED"


async def test_equity_keeps_the_day_and_the_peak_exactly(journal, make, clock):
    """Loss limits are counted from what was journaled, to the cent."""
    for n in range(5):
        body = {"equity": f"100{n}.10", "cash": "5.05", "day": "2026-01-05"}
        await journal.append(make.plainly("equity", **body, day_start="1000.10", peak=f"100{n}.10"))
        await clock.advance(60)
    last = await journal.reader.states.equity()
    assert (last.equity, last.day_start, last.peak) == (
        Decimal("1004.10"),
        Decimal("1000.10"),
        Decimal("1004.10"),
    )
    assert last.day == "2026-01-05"
    third = clock.now_ns() - 3 * 60 * NS_PER_S
    assert (await journal.reader.states.equity_at(third)).equity == Decimal("1002.10")
    assert await journal.reader.states.equity_at(clock.now_ns()) is None
    series = await journal.reader.states.equity_series(limit=2)
    assert [row.equity for row in series] == [Decimal("1003.10"), Decimal("1004.10")]


async def test_pending_approvals_are_listed_oldest_first(journal, make):
    """A restart keeps pending approvals and expires the old ones."""
    for n in (1, 2, 3):
        await journal.append(
            make.plainly(
                "approval", decision_id=f"d{n}", status="pending", expires_at="2026-01-05T15:05:00Z"
            )
        )
    await journal.close_approval("d2", "rejected", actor="bob", reason="no")
    pending = await journal.reader.states.approvals()
    assert [a.decision_id for a in pending] == ["d1", "d3"]
    assert pending[0].expires_at == "2026-01-05T15:05:00Z"
    closed = await journal.reader.states.approval("d2")
    assert (closed.status, closed.actor, closed.reason) == ("rejected", "bob", "no")
    assert closed.ts_closed > 0
    assert len(await journal.reader.states.approvals(status=None)) == 3


async def test_operator_actions_and_alerts_are_paged(journal, make):
    """Who did what, and what was said to them."""
    for n in range(3):
        await journal.append(
            make.plainly("operator_action", action="halt", actor="ann", reason="x", args={"n": n}),
            make.alert(n),
        )
    page = await journal.reader.states.operator_actions(limit=2)
    assert [row.args for row in page.items] == [{"n": 2}, {"n": 1}]
    rest = await journal.reader.states.operator_actions(limit=2, after=page.next)
    assert [row.args for row in rest.items] == [{"n": 0}]
    alerts = await journal.reader.states.page(EntryKind.ALERT, limit=2)
    assert [e.body["n"] for e in alerts.items] == [2, 1]


async def test_decisions_are_listed_newest_first_without_gap_or_repeat(journal, make):
    """Cursor paging holds while new decisions arrive."""
    for n in range(1, 12):
        await journal.append(make.decided(make.decision(n)))
    seen, after = [], None
    for arriving in range(12, 20):
        page = await journal.reader.decisions.page(limit=4, after=after)
        seen += [row.id for row in page.items]
        await journal.append(make.decided(make.decision(arriving)))
        after = page.next
        if after is None:
            break
    assert seen == [f"d{n}" for n in range(11, 0, -1)]


async def test_decisions_are_filtered_by_symbol_outcome_and_code(journal, make):
    """`code` is why a run ended, or why the gateway denied its order."""
    rejected = make.decision(2, outcome=Outcome.QUANT_REJECTED, reason_code="SCORE_BELOW_FLOOR")
    ordered = make.decision(3, symbol="MSFT", outcome=Outcome.ORDERED, reason_code="ORDERED")
    await journal.append(make.decided(make.decision(1)), make.decided(rejected))
    await journal.append(make.decided(ordered))
    await journal.append(make.gate(make.request("d3", symbol="MSFT"), code="SPREAD_TOO_WIDE"))
    decisions = journal.reader.decisions

    async def ids(**query):
        return [row.id for row in (await decisions.page(**query)).items]

    assert await ids(symbol="AAPL") == ["d2", "d1"]
    assert await ids(outcome=Outcome.QUANT_REJECTED) == ["d2"]
    assert await ids(code="SCORE_BELOW_FLOOR") == ["d2"]
    assert await ids(code="SPREAD_TOO_WIDE") == ["d3"]
    [row] = (await decisions.page(symbol="MSFT")).items
    assert row.denial_code == "SPREAD_TOO_WIDE"
    assert (row.tokens_in, row.cost_usd) == (1000, 0.002)


async def test_a_cursor_that_is_none_of_ours_is_refused_in_one_line(journal):
    """A stranger's cursor is bad input, not a crash."""
    for text in ("", "x", "bnVtOjE", "🙂", "c2VxOg"):
        with pytest.raises(ConfigError, match="cursor") as caught:
            await journal.reader.decisions.page(after=text)
        assert caught.value.code == "CURSOR_INVALID"


async def test_a_page_holds_at_most_five_hundred(journal, make):
    """No query empties the database into one answer."""
    await journal.append(*(make.alert(n) for n in range(510)))
    page = await journal.reader.states.page(EntryKind.ALERT, limit=10_000)
    assert len(page.items) == 500
    assert page.next is not None


async def test_a_decision_comes_back_as_it_was_journaled(journal, make):
    """Replay compares to the byte, so nothing may be lost on the way."""
    made = make.decision(1, calls=(make.call(raw='{"a": "\\u0000 \U0001f600 é"}'),))
    await journal.append(make.decided(made))
    assert await journal.reader.decisions.get("d1") == made
    assert await journal.reader.decisions.get("d9") is None


async def test_a_window_is_stored_once_and_found_by_its_digest(journal, make):
    """Law 7: the window is stored, and its digest names it."""
    made = make.decision(1)
    await journal.append(make.decided(made))
    await journal.append(make.decided(made))
    window = await journal.reader.decisions.window(made.window_digest)
    assert window == make.window(1)
    assert digest(window) == made.window_digest
    assert await journal.reader.decisions.window("0" * 64) is None


async def test_a_recorded_answer_is_found_by_decision_role_and_attempt(journal, make):
    """Replay takes the models' answers from the journal."""
    calls = (make.call(), make.call(Role.QUANT), make.call(Role.QUANT, 2, raw="second"))
    await journal.append(make.decided(make.decision(1, calls=calls)))
    assert (await journal.recorded("d1", Role.QUANT, 2)).raw == "second"
    assert await journal.recorded("d1", Role.QUANT, 1) == calls[1]
    assert await journal.recorded("d1", Role.RISK, 1) is None
    assert await journal.recorded("d9", Role.QUANT, 1) is None


async def test_a_story_tells_all_from_window_to_fills(journal, make):
    """`GET /decisions/{id}`: window, prompts, answers, checks, orders, fills."""
    directive = Directive(action=Action.BUY, confidence=0.8, thesis="up")
    made = make.decision(1, outcome=Outcome.ORDERED, reason_code="ORDERED", directive=directive)
    asked = make.request("d1")
    stop = make.request("d1", Leg.STOP, side=Side.SELL)
    await journal.append(make.decided(made, prompts={"digest-of-director": "What now?"}))
    await journal.append(make.gate(asked), make.intent(asked))
    await journal.append(make.accepted(asked), *make.filled(asked))
    await journal.append(make.intent(stop), make.accepted(stop))
    story = await journal.reader.decisions.story("d1")
    assert story.decision == made
    assert story.window == make.window(1)
    assert story.prompts == {"digest-of-director": "What now?"}
    [gate] = story.gates
    assert gate.authorized
    assert [(c.code, c.passed, c.value, c.limit) for c in gate.checks] == [
        ("QUOTE_STALE", True, "0.4", "10.0"),
        ("SPREAD_TOO_WIDE", True, "80", "50"),
    ]
    entry, protection = story.orders
    assert entry.order.state is OrderState.FILLED
    assert [e.kind for e in entry.events] == ["accepted", "filled"]
    assert [f.fill.price for f in entry.fills] == [Decimal("100.05")]
    assert protection.order.request.leg is Leg.STOP
    assert protection.fills == ()
    assert await journal.reader.decisions.story("d9") is None


async def test_a_denied_decision_tells_which_limit_it_met(journal, make):
    """A denial is a value with its code and figures."""
    made = make.decision(1, outcome=Outcome.ORDERED, reason_code="ORDERED")
    await journal.append(make.decided(made), make.gate(make.request("d1"), code="SPREAD_TOO_WIDE"))
    story = await journal.reader.decisions.story("d1")
    assert story.orders == ()
    assert story.gates[0].code == "SPREAD_TOO_WIDE"
    assert [c.code for c in story.gates[0].checks if not c.passed] == ["SPREAD_TOO_WIDE"]


async def test_a_decision_resumed_after_its_approval_keeps_its_place(journal, make):
    """The run ends twice: awaiting, then ordered; the list shows it once, where it began."""
    waiting = make.decision(1, outcome=Outcome.AWAITING_APPROVAL, reason_code="APPROVAL")
    await journal.append(make.decided(waiting))
    await journal.append(make.plainly("approval", decision_id="d1", status="pending"))
    await journal.append(make.decided(make.decision(2)))
    await journal.close_approval("d1", "approved", actor="ann")
    done = make.decision(1, outcome=Outcome.ORDERED, reason_code="ORDERED")
    await journal.append(make.decided(done))
    rows = (await journal.reader.decisions.page()).items
    assert [(row.id, row.outcome) for row in rows] == [
        ("d2", Outcome.HELD),
        ("d1", Outcome.ORDERED),
    ]
    story = await journal.reader.decisions.story("d1")
    assert story.decision == done
    assert story.approval.actor == "ann"


async def test_entries_after_a_seq_resume_a_stream(journal, make):
    """`Last-Event-ID` is the journal's seq."""
    await journal.append(*(make.alert(n) for n in range(5)))
    await journal.append(make.decided(make.decision(1)))
    later = await journal.reader.entries_after(3)
    assert [e.seq for e in later] == [4, 5, 6]
    assert later[-1].body["window"] == make.decision(1).window_digest
    assert [e.seq for e in await journal.reader.entries_after(0, limit=2)] == [1, 2]
    decisions = frozenset({EntryKind.DECISION})
    assert [e.seq for e in await journal.reader.entries_after(0, kinds=decisions)] == [6]


async def trade(journal, make, n, side, quantity, price, *, fee="0", symbol="AAPL"):
    asked = make.request(f"d{n}", symbol=symbol, side=side, quantity=quantity)
    await journal.append(make.intent(asked), *make.filled(asked, price, f"x{n}", fee=fee))


async def test_a_report_adds_up_profit_at_average_cost(journal, make):
    """Two buys at 10 and 12, one sale of half at 13: 2 won, half left at 11."""
    await trade(journal, make, 1, Side.BUY, "1", "10", fee="0.01")
    await trade(journal, make, 2, Side.BUY, "1", "12")
    await trade(journal, make, 3, Side.SELL, "1", "13", fee="0.02")
    await trade(journal, make, 4, Side.BUY, "1", "100", symbol="BTC/USD")
    report = await journal.reader.report(marks={"AAPL": Decimal(12)})
    stock, crypto = report.symbols
    assert (stock.realized, stock.fees, stock.quantity) == (2, Decimal("0.03"), 1)
    assert (stock.average_price, stock.unrealized) == (11, 1)
    assert (stock.bought, stock.sold, stock.wins, stock.losses) == (22, 13, 1, 0)
    assert crypto.unrealized is None
    assert report.unrealized is None
    whole = await journal.reader.report(marks={"AAPL": Decimal(12), "BTC/USD": Decimal(90)})
    assert (whole.realized, whole.unrealized) == (2, -9)
    assert whole.net == Decimal("-7.03")


async def test_a_report_of_a_span_counts_older_positions_at_their_cost(journal, make, clock):
    """What was bought before the span is not won in it, but sold from its cost."""
    await trade(journal, make, 1, Side.BUY, "2", "10")
    await clock.advance(3600)
    start = clock.now_ns()
    await trade(journal, make, 2, Side.SELL, "2", "11")
    [stock] = (await journal.reader.report(Span(since_ns=start))).symbols
    assert (stock.fills, stock.bought, stock.sold, stock.realized) == (1, 0, 22, 2)
    [before] = (await journal.reader.report(Span(until_ns=start))).symbols
    assert (before.fills, before.realized, before.quantity) == (1, 0, 2)


async def test_a_report_counts_outcomes_denials_orders_and_model_cost(journal, make):
    """The funnel, from windows to fills."""
    ordered = make.decision(2, outcome=Outcome.ORDERED, reason_code="ORDERED")
    failed = make.call(error="ANALYST_TIMEOUT", tokens_out=0, model="model-b")
    abstained = make.decision(
        3, symbol="MSFT", outcome=Outcome.ABSTAINED, reason_code="ANALYST_TIMEOUT", calls=(failed,)
    )
    await journal.append(*(make.decided(d) for d in (make.decision(1), ordered, abstained)))
    asked = make.request("d2")
    await journal.append(make.gate(asked, code="SPREAD_TOO_WIDE"))
    await journal.append(make.gate(asked), make.intent(asked))
    report = await journal.reader.report()
    assert report.decisions == 3
    assert report.by_outcome == {"abstained": 1, "held": 1, "ordered": 1}
    assert report.by_reason["ANALYST_TIMEOUT"] == 1
    assert (report.authorized, report.denied) == (1, {"SPREAD_TOO_WIDE": 1})
    assert report.orders == {"submitting": 1}
    a, b = report.models
    assert (a.model, a.calls, a.errors, a.tokens_in, a.tokens_out) == ("model-a", 2, 0, 2000, 100)
    assert (b.model, b.calls, b.errors) == ("model-b", 1, 1)
    assert report.model_cost_usd == pytest.approx(0.006)
    only = await journal.reader.report(Span(symbol="AAPL"))
    assert (only.decisions, only.model_cost_usd) == (2, pytest.approx(0.004))


async def test_readers_read_while_the_writer_writes(journal, config, make):
    """Readers have connections of their own and see only what is committed."""

    async def write():
        for n in range(20):
            await journal.append(make.alert(2 * n), make.alert(2 * n + 1))

    async with Reader(config) as reader:
        writing = asyncio.create_task(write())
        counts = [0]
        while not writing.done():
            counts.append(await reader.last_seq())
        await writing
        assert counts == sorted(counts)
        assert all(count % 2 == 0 for count in counts if count < 50), (
            "a half-written append was seen"
        )


async def test_a_reader_who_is_cancelled_leaves_no_connection_behind(journal, make):
    """A browser that goes away in the middle of a list costs nothing."""
    await journal.append(*(make.alert(n) for n in range(20)))
    for _ in range(20):
        reading = asyncio.ensure_future(journal.reader.entries_after(0))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert len(await journal.reader.entries_after(0)) == 20


async def test_a_journal_that_does_not_exist_is_one_line(tmp_path):
    """Reading creates nothing."""
    path = tmp_path / "none.sqlite3"
    async with Reader(JournalConfig(url=f"sqlite:///{path}")) as reader:
        with pytest.raises(JournalError, match=r"none\.sqlite3") as caught:
            await reader.last_seq()
    assert "\n" not in caught.value.line
    assert not path.exists()


async def test_a_span_of_decisions_is_recalled_oldest_first_with_what_each_saw(
    journal, make, clock
):
    """What asks the journal's questions again gets them whole: window, prompts and answers."""
    for n in range(1, 6):
        made = make.decision(n, symbol="AAPL" if n % 2 else "BTC/USD")
        await journal.append(make.decided(made))
        await clock.advance(1.0)
    reads = journal.reader.decisions
    everything = [each async for each in reads.recall(Span())]
    assert [each.decision.id for each in everything] == ["d1", "d2", "d3", "d4", "d5"]
    assert everything[1].window == make.window(2, "BTC/USD")
    assert everything[1].prompts == {"digest-of-director": "What now, BTC/USD?"}
    rows = (await reads.page()).items
    since, until = rows[3].ts, rows[0].ts
    span = Span(since_ns=since, until_ns=until, symbol="BTC/USD")
    assert [each.decision.id async for each in reads.recall(span)] == ["d2", "d4"]
    assert (await reads.count(Span()), await reads.count(span)) == (5, 2)


async def test_a_decision_that_was_concluded_later_is_recalled_once_as_it_ended(journal, make):
    """An approval's end is a second entry of the same decision."""
    await journal.append(make.decided(make.decision(1, outcome=Outcome.AWAITING_APPROVAL)))
    await journal.append(make.decided(make.decision(1, outcome=Outcome.ORDERED)))
    [only] = [each async for each in journal.reader.decisions.recall(Span())]
    assert only.decision.outcome is Outcome.ORDERED
    assert await journal.reader.decisions.count(Span()) == 1


async def test_a_word_of_a_thesis_finds_its_decisions(journal, make):
    """Whatever its case, and the signs that a database reads as wildcards are only signs."""
    said = ("Trend up 50%, volume thin", "trend_down", "No word at all")
    for n, thesis in enumerate(said, start=1):
        directive = Directive(action=Action.HOLD, confidence=0.5, thesis=thesis)
        await journal.append(make.decided(make.decision(n, directive=directive)))
    await journal.append(make.decided(make.decision(9, directive=None)))

    async def found(text):
        page = await journal.reader.decisions.page(text=text)
        return [row.id for row in page.items]

    assert await found("TREND") == ["d2", "d1"]
    assert await found("50%") == ["d1"]
    assert await found("d_d") == ["d2"]
    assert await found("%") == ["d1"]
    assert await found("hold") == [], "only the thesis is searched"
    assert await found("'; --") == []


async def test_fills_are_read_page_by_page_newest_first(journal, make):
    """Each once, of one symbol or of all."""
    for n, symbol in enumerate(("AAPL", "MSFT", "AAPL"), start=1):
        asked = make.request(f"d{n}", symbol=symbol)
        await journal.append(make.intent(asked), *make.filled(asked, price=f"10{n}"))
    first = await journal.reader.orders.fills_page(limit=2)
    rest = await journal.reader.orders.fills_page(limit=2, after=first.next)
    prices = [str(row.fill.price) for row in (*first.items, *rest.items)]
    assert (prices, rest.next) == (["103", "102", "101"], None)
    only = await journal.reader.orders.fills_page(symbol="MSFT")
    assert [row.fill.symbol for row in only.items] == ["MSFT"]


async def test_working_orders_are_told_from_those_that_ended(journal, make):
    """What a person asks of a list of orders first."""
    asked, sent = make.request("d1"), make.request("d2", symbol="MSFT")
    await journal.append(make.intent(asked), make.intent(sent), *make.filled(asked))
    for is_open, expected in ((True, ["MSFT"]), (False, ["AAPL"]), (None, ["MSFT", "AAPL"])):
        page = await journal.reader.orders.page(is_open=is_open)
        assert [row.order.symbol for row in page.items] == expected


async def test_a_curve_of_equity_has_one_point_a_span_however_much_was_journaled(
    journal, make, clock
):
    """The last of each span counts: a picture of a month is as quick as one of a minute."""
    begin = clock.now_ns()
    for n in range(10):
        body = {"equity": f"100{n}", "cash": "5", "day": "2026-01-05"}
        await journal.append(make.plainly("equity", **body, day_start="1000", peak="1010"))
        await clock.advance(60)
    reads, end = journal.reader.states, clock.now_ns()
    curve = await reads.equity_curve(since_ns=begin, until_ns=end, points=5)
    assert [str(row.equity) for row in curve] == ["1009", "1007", "1005", "1003", "1001"]
    late = await reads.equity_curve(since_ns=begin + 8 * 60 * NS_PER_S, until_ns=end, points=500)
    assert [str(row.equity) for row in late] == ["1009", "1008"]
    assert await reads.equity_curve(since_ns=end, until_ns=end + 1, points=5) == []


async def test_the_funnel_counts_how_far_runs_came(journal, make, clock):
    """Outcomes, entries that our limits denied, entries that were sent and that filled."""
    before = clock.now_ns()
    ordered = {"outcome": Outcome.ORDERED, "reason_code": "OPEN"}
    await journal.append(make.decided(make.decision(1)))
    await clock.advance(60)
    since = clock.now_ns()
    sent, denied = make.request("d2"), make.request("d3", symbol="MSFT")
    stop = make.request("d2", Leg.STOP, side=Side.SELL)
    await journal.append(make.decided(make.decision(2, **ordered)), make.gate(sent))
    await journal.append(make.intent(sent), *make.filled(sent), make.gate(stop), make.intent(stop))
    await journal.append(
        make.decided(make.decision(3, symbol="MSFT", **ordered)),
        make.gate(denied, code="SPREAD_TOO_WIDE"),
    )
    reads = journal.reader.funnel
    found = await reads.reached(since_ns=since)
    assert (found.by_outcome, found.denied) == ({"ordered": 2}, {"SPREAD_TOO_WIDE": 1})
    assert (found.ordered, found.filled) == (1, 1)
    assert (await reads.reached(since_ns=before)).by_outcome == {"held": 1, "ordered": 2}
    other = await reads.reached(since_ns=since, symbol="MSFT")
    assert (other.by_outcome, other.denied, other.ordered) == (
        {"ordered": 1},
        {"SPREAD_TOO_WIDE": 1},
        0,
    )
