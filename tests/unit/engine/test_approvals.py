"""Orders that wait: closed once, expired by the clock, taken up after a crash, sent once."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import msgspec
import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from api.app import create_app, server_config
from api.security import SecurityConfig
from domain.decisions import Outcome
from domain.errors import JournalError
from domain.limits import Code
from domain.orders import Order, OrderState
from domain.ports import Entry, EntryKind
from domain.records import NS_PER_S, parse_ns, plain
from domain.risk import Denied
from engine.approving.approvals import Approvals
from engine.approving.seams import ApprovalConfig
from engine.bus import Bus
from engine.clock import ManualClock, settle
from engine.control import ControlRefused, UnknownApproval
from graph.approval.checkpoints import CheckpointsConfig, open_checkpoints
from graph.approval.node import Word
from graph.approval.waiting import WaitingRuns
from graph.desk import Desk
from journal.database import JournalConfig
from journal.sql import SqlJournal
from tests.unit.graph.conftest import AS_OF, SELL, Scripted, long_position, make_window

TTL_S = 300
MAX_AGE_S = 60
ROUNDS = 50


class Unsteady:
    """A journal whose database goes away after the compare-and-set, when a test says so."""

    def __init__(self, journal):
        self.is_gone = False
        self._journal = journal
        self.was_asked = asyncio.Event()

    async def close_approval(self, decision_id, status, **said):
        self.was_asked.set()
        if self.is_gone and status == "expired":
            raise JournalError("The database is gone.")
        return await self._journal.close_approval(decision_id, status, **said)

    async def append(self, *entries):
        if self.is_gone:
            raise JournalError("The database is gone.")
        return await self._journal.append(*entries)


class Rig:
    """One process's part in approvals: a real journal, real waiting runs, and hands that note."""

    def __init__(self, journal, desk, clock):
        self.journal = journal
        self.unsteady = Unsteady(journal)
        self.desk = desk
        self.clock = clock
        self.sent = []
        self.seen = []
        self.alerts = []
        self.answer = None
        self.not_yet = None
        self.approvals = Approvals(
            ApprovalConfig(ttl_s=TTL_S, decision_max_age_s=MAX_AGE_S),
            desk=desk,
            journal=self.unsteady,
            reads=journal.reader.approvals,
            decisions=journal.reader.decisions,
            approved=self.seen.append,
            enter=self.enter,
            start=lambda work, name: asyncio.create_task(work, name=name),
            alert=lambda code, message, symbol: self.alerts.append((code, message, symbol)),
            not_yet=lambda _symbol: self.not_yet,
            clock=clock,
        )

    async def enter(self, request):
        self.sent.append(request)
        return self.answer or Order(request=request, state=OrderState.ACCEPTED)

    async def ask(self, name="a", **changes):
        """Let the graph decide and journal what it says, as a run does."""
        window = make_window(decision_id=name * 24, **changes)
        run = await self.desk.decide(window, deadline_s=20)
        body = {"decision": plain(run.decision), "window": plain(window), "prompts": run.prompts}
        entry = Entry(kind=EntryKind.DECISION, ref=run.decision.id, body=body)
        await self.journal.append(entry, *self.approvals.ask(run.decision))
        return run.decision

    async def standing(self, decision):
        """How the approval and the decision stand, in the journal's words."""
        asked = await self.journal.reader.approvals.get(decision.id)
        return asked.approval.status, asked.decision.outcome, asked.decision.reason_code


@pytest.fixture
def clock():
    return ManualClock(AS_OF)


@pytest.fixture
def url(tmp_path):
    """The journal's address; a test may parametrize it."""
    return f"sqlite:///{tmp_path / 'journal.sqlite3'}"


@pytest.fixture
def process(url, tmp_path, clock):
    """`async with process() as rig`: a process on the same stores, as often as a test needs one."""

    @asynccontextmanager
    async def started(analyst=None, *, has_approvals=True):
        async with AsyncExitStack() as stack:
            config = JournalConfig(
                url=url,
                anchor_file=tmp_path / "anchors",
                spool_file=tmp_path / "spool",
                trace_delay_s=0.01,
            )
            journal = await stack.enter_async_context(SqlJournal(config, clock))
            waiting = None
            if has_approvals:
                is_server = url.startswith("postgresql")
                where = CheckpointsConfig(
                    path=None if is_server else tmp_path / "journal.sqlite3.waiting",
                    server_url=url if is_server else None,
                )
                waiting = WaitingRuns(await stack.enter_async_context(open_checkpoints(where)))
            desk = Desk(analyst or Scripted(), clock, waiting=waiting)
            rig = Rig(journal, desk, clock)
            await rig.approvals.take_up()
            yield rig

    return started


@pytest.fixture
async def rig(process):
    async with process() as made:
        yield made


@contextlib.asynccontextmanager
async def expiring(rig):
    """Run the clock's part."""
    running = asyncio.create_task(rig.approvals.run())
    try:
        await settle()
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_approved_order_is_the_one_that_was_journaled_with_a_new_lease(rig):
    """Its name and quantity stay; it may be sent for as long as a decision may be old, from now."""
    decision = await rig.ask()
    assert rig.approvals.is_waiting("AAPL")
    await rig.clock.advance(200)
    result = await rig.approvals.approve(decision.id, actor="ann", reason="good")
    (request,) = rig.sent
    assert msgspec.structs.replace(request, valid_until=decision.request.valid_until) == (
        decision.request
    )
    assert parse_ns(request.valid_until) == rig.clock.now_ns() + MAX_AGE_S * NS_PER_S
    assert rig.seen[0].quote == make_window().quote
    assert (result.outcome, result.approval.actor) == (Outcome.ORDERED, "ann")
    assert result.message == "Approved: buy 0.432825484 AAPL at 231.04 is accepted."
    assert await rig.standing(decision) == ("approved", Outcome.ORDERED, "APPROVED")
    assert not rig.approvals.is_waiting("AAPL")


async def test_the_story_keeps_its_window_and_prompts(rig):
    """A decision is journaled twice, and read as one."""
    decision = await rig.ask()
    before = await rig.journal.reader.decisions.story(decision.id)
    await rig.approvals.approve(decision.id, actor="ann")
    after = await rig.journal.reader.decisions.story(decision.id)
    assert (after.window, after.prompts, after.seq) == (before.window, before.prompts, before.seq)
    assert after.approval.status == "approved"


async def test_a_denial_after_a_yes_is_said_plainly(rig):
    """Whoever approves in a halt learns that nothing was sent."""
    rig.answer = Denied(code=Code.TRADING_HALTED, value="halted", limit="active or reducing")
    decision = await rig.ask()
    result = await rig.approvals.approve(decision.id, actor="ann")
    assert (result.denied_code, result.order) == ("TRADING_HALTED", None)
    assert result.message == (
        "Approved, but the gate denied it with TRADING_HALTED (halted; limit: active or reducing). "
        "Nothing was sent."
    )


async def test_a_yes_that_comes_a_moment_too_early_leaves_the_order_waiting(rig):
    """Just after a restart the gate denied it with NOT_RECONCILED, and the approval was spent."""
    decision = await rig.ask()
    rig.not_yet = ControlRefused("Not yet.", remedy="In a moment.", code="NOT_RECONCILED")
    with pytest.raises(ControlRefused) as refused:
        await rig.approvals.approve(decision.id, actor="ann")
    assert refused.value.code == "NOT_RECONCILED"
    assert (await rig.standing(decision))[0] == "pending"
    assert rig.approvals.is_waiting("AAPL")
    rig.not_yet = None
    await rig.approvals.approve(decision.id, actor="ann")
    assert len(rig.sent) == 1


async def test_a_no_waits_for_nothing(rig):
    """Refusing is safe at any moment."""
    decision = await rig.ask()
    rig.not_yet = ControlRefused("Not yet.", remedy="In a moment.", code="NOT_RECONCILED")
    await rig.approvals.reject(decision.id, actor="ann")
    assert (await rig.standing(decision))[0] == "rejected"


async def test_a_refusal_of_the_venue_is_said_plainly(rig):
    """Approved, authorized, and still no order."""
    decision = await rig.ask()
    rig.answer = Order(request=decision.request, state=OrderState.REJECTED, reason="no shares")
    result = await rig.approvals.approve(decision.id, actor="ann")
    assert result.message.endswith(
        "the venue refused to buy 0.432825484 AAPL at 231.04: no shares."
    )


async def test_a_rejected_order_is_never_sent(rig):
    """And its symbol is free."""
    decision = await rig.ask()
    result = await rig.approvals.reject(decision.id, actor="bob", reason="too big")
    assert (result.message, rig.sent) == ("Rejected: nothing is sent.", [])
    assert await rig.standing(decision) == ("rejected", Outcome.REFUSED, "APPROVAL_REFUSED")
    assert not rig.approvals.is_waiting("AAPL")


async def test_who_comes_second_learns_who_was_first(rig):
    """By name, with the time and the reason."""
    decision = await rig.ask()
    await rig.approvals.reject(decision.id, actor="bob", reason="too big")
    with pytest.raises(ControlRefused, match=r"bob rejected it at .* \(too big\)") as refused:
        await rig.approvals.approve(decision.id, actor="ann")
    assert refused.value.code == "NOT_PENDING"


async def test_what_was_never_asked_cannot_be_answered(rig):
    """A decision that needed nobody is as unknown as none at all."""
    with pytest.raises(UnknownApproval):
        await rig.approvals.approve("f" * 24, actor="ann")


async def test_a_close_is_never_asked_for(process):
    """The graph itself lets it through."""
    async with process(Scripted(director=SELL)) as rig:
        decision = await rig.ask(position=long_position())
        assert decision.outcome is Outcome.ORDERED
        assert rig.approvals.count == 0


async def test_orders_expire_each_at_its_time(rig):
    """Two symbols, two clocks; nothing is sent."""
    async with expiring(rig):
        first = await rig.ask("a")
        await rig.clock.advance(100)
        second = await rig.ask("b")
        await rig.clock.advance(TTL_S - 100)
        await _until(lambda: rig.approvals.count == 1)
        assert await rig.standing(first) == ("expired", Outcome.EXPIRED, "APPROVAL_EXPIRED")
        assert (await rig.standing(second))[0] == "pending"
        await settle()
        await rig.clock.advance(100)
        await _until(lambda: rig.approvals.count == 0)
    assert (await rig.standing(second))[0] == "expired"
    assert rig.sent == []


async def test_expiry_waits_for_a_journal_that_is_away(rig):
    """Nothing expires that is not on disk; it does as soon as it can be."""
    decision = await rig.ask()
    rig.unsteady.is_gone = True
    async with expiring(rig):
        await rig.clock.advance(TTL_S)
        await asyncio.wait_for(rig.unsteady.was_asked.wait(), 60)
        assert (await rig.standing(decision))[0] == "pending"
        rig.unsteady.is_gone = False
        await settle()
        await rig.clock.advance(2)
        await _until(lambda: rig.approvals.count == 0)
    assert (await rig.standing(decision))[0] == "expired"


async def test_a_yes_that_comes_too_late_finds_it_expired(rig):
    """Also when the clock's own part has not run yet."""
    decision = await rig.ask()
    await rig.clock.advance(TTL_S)
    with pytest.raises(ControlRefused, match="It expired at"):
        await rig.approvals.approve(decision.id, actor="ann")
    assert await rig.standing(decision) == ("expired", Outcome.EXPIRED, "APPROVAL_EXPIRED")
    assert rig.sent == []


async def test_flatten_rejects_everything_that_waits(rig):
    """Each is journaled with who wanted to be flat."""
    asked = [await rig.ask(name) for name in "abc"]
    assert await rig.approvals.reject_all(actor="ann", reason="flatten") == 3
    assert {(await rig.standing(each))[0] for each in asked} == {"rejected"}
    assert rig.approvals.count == 0


async def test_what_waits_goes_on_waiting_in_the_next_process(process, clock):
    """Its time ran on meanwhile, its order is the same."""
    async with process() as rig:
        decision = await rig.ask()
    await clock.advance(100)
    async with process() as rig:
        assert rig.approvals.is_waiting("AAPL")
        asked = await rig.journal.reader.approvals.get(decision.id)
        assert rig.approvals.view(asked).seconds_left == TTL_S - 100
        await rig.approvals.approve(decision.id, actor="ann")
        assert [each.client_order_id for each in rig.sent] == [decision.request.client_order_id]


class TestOnAServer:
    """The same promises where journal and waiting runs share one PostgreSQL."""

    @pytest.fixture
    def url(self, postgresql_url):
        return postgresql_url

    async def test_what_waits_is_approved_by_the_next_process_once(self, process):
        """Two ask at the same moment: one wins, and one order leaves."""
        async with process() as rig:
            decision = await rig.ask()
        async with process() as rig:
            answers = await asyncio.gather(
                rig.approvals.approve(decision.id, actor="ann"),
                rig.approvals.approve(decision.id, actor="bob"),
                return_exceptions=True,
            )
            assert [isinstance(each, ControlRefused) for each in answers].count(True) == 1
            assert [each.decision_id for each in rig.sent] == [decision.id]
            assert await rig.standing(decision) == ("approved", Outcome.ORDERED, "APPROVED")


async def test_what_grew_old_between_two_processes_expires_in_the_second(process, clock):
    """The countdown is the clock's, not the process's."""
    async with process() as rig:
        decision = await rig.ask()
    await clock.advance(TTL_S + 1)
    async with process() as rig, expiring(rig):
        await _until(lambda: rig.approvals.count == 0)
        assert (await rig.standing(decision))[0] == "expired"


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        ("approved", Outcome.EXPIRED, "APPROVAL_CUT"),
        ("rejected", Outcome.REFUSED, "APPROVAL_REFUSED"),
        ("expired", Outcome.EXPIRED, "APPROVAL_EXPIRED"),
    ],
)
async def test_a_crash_after_the_word_is_ended_once_and_sends_nothing(
    process, status, outcome, code
):
    """Killed between the compare-and-set and the order: prices are stale, and a person is told."""
    async with process() as rig:
        decision = await rig.ask()
        assert await rig.journal.close_approval(decision.id, status, actor="ann")
    alerts = []
    for _ in range(2):
        async with process() as rig:
            assert await rig.standing(decision) == (status, outcome, code)
            assert rig.sent == []
            assert rig.approvals.count == 0
            alerts += rig.alerts
    assert [code for code, _, _ in alerts] == (["APPROVAL_CUT"] if status == "approved" else [])


async def test_a_crash_after_the_graphs_end_is_ended_too(process):
    """The waiting run had been resumed already: there is nothing left to resume, nor to send."""
    async with process() as rig:
        decision = await rig.ask()
        await rig.journal.close_approval(decision.id, "approved", actor="ann")
        await rig.desk.conclude(decision, Word.APPROVED)
    async with process() as rig:
        assert await rig.standing(decision) == ("approved", Outcome.EXPIRED, "APPROVAL_CUT")
        assert rig.sent == []


async def test_approvals_switched_off_expire_what_waited(process):
    """APPROVAL=never lets nothing through that was not approved."""
    async with process() as rig:
        decision = await rig.ask()
    async with process(has_approvals=False) as rig:
        assert (await rig.standing(decision))[0] == "expired"
        with pytest.raises(ControlRefused, match="APPROVAL is never"):
            await rig.approvals.approve(decision.id, actor="ann")


async def test_a_waiting_run_that_is_gone_expires_at_the_start(process, tmp_path):
    """The file went missing: what cannot be resumed cannot be approved."""
    async with process() as rig:
        decision = await rig.ask()
    for path in tmp_path.glob("*.waiting*"):
        path.unlink()
    async with process() as rig:
        assert (await rig.standing(decision))[0] == "expired"
        with pytest.raises(ControlRefused, match="its waiting run is gone"):
            await rig.approvals.approve(decision.id, actor="ann")


async def test_a_waiting_run_that_vanishes_after_the_start_is_not_sent(rig):
    """Approved, but there is nothing behind it any more."""
    decision = await rig.ask()
    await rig.desk.forget(decision)
    result = await rig.approvals.approve(decision.id, actor="ann")
    assert (result.outcome, rig.sent) == (Outcome.EXPIRED, [])
    assert "nothing was sent" in result.message


async def test_a_journal_that_fails_after_the_yes_sends_nothing(process):
    """What is not on disk is not acted upon; the next start ends it."""
    async with process() as rig:
        decision = await rig.ask()
        rig.unsteady.is_gone = True
        with pytest.raises(JournalError):
            await rig.approvals.approve(decision.id, actor="ann")
        assert rig.sent == []
    async with process() as rig:
        assert await rig.standing(decision) == ("approved", Outcome.EXPIRED, "APPROVAL_CUT")


async def test_a_request_that_is_cut_short_does_not_cut_the_order(rig):
    """The browser is gone; the yes was given."""
    decision = await rig.ask()
    asking = asyncio.create_task(rig.approvals.approve(decision.id, actor="ann"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await _until(lambda: rig.sent)
    await _until(lambda: not rig.approvals.is_waiting("AAPL"))
    assert await rig.standing(decision) == ("approved", Outcome.ORDERED, "APPROVED")


class _Face:
    """As much of the bot as approvals by HTTP need."""

    def __init__(self, rig):
        self._rig = rig

    def approvals(self):
        return self._rig.approvals

    def reader(self):
        return self._rig.journal.reader


class _Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config):
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.listens.set()

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@asynccontextmanager
async def two_people(rig):
    """Two clients with connections of their own to one door."""
    security = SecurityConfig(control_rate=(10_000, 10_000), read_rate=(10_000, 10_000))
    app = create_app(_Face(rig), security=security, bus=Bus(), registry=CollectorRegistry())
    server = _Server(server_config(app, host="127.0.0.1", port=0))
    serving = asyncio.create_task(server.serve())
    await asyncio.wait_for(server.listens.wait(), 60)
    base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        async with (
            httpx.AsyncClient(base_url=base, timeout=60) as ann,
            httpx.AsyncClient(base_url=base, timeout=60) as bob,
        ):
            yield ann, bob
    finally:
        app.state.stream.close()
        server.should_exit = True
        await serving


@pytest.mark.parametrize("other", ["approve", "reject"])
async def test_two_people_at_the_same_moment_have_one_winner(rig, other):
    """Over real sockets, again and again: one 200, one 409 that names the winner, one word."""
    async with two_people(rig) as (ann, bob):
        for n in range(ROUNDS // 2):
            decision = await rig.ask(chr(ord("a") + n))
            path = f"/approvals/{decision.id}"
            answers = await asyncio.gather(
                ann.post(f"{path}/approve", json={"reason": "ann"}),
                bob.post(f"{path}/{other}", json={"reason": "bob"}),
            )
            assert sorted(answer.status_code for answer in answers) == [200, 409]
            won, lost = sorted(answers, key=lambda answer: answer.status_code)
            who, status = won.json()["approval"]["reason"], won.json()["approval"]["status"]
            assert lost.json()["code"] == "NOT_PENDING"
            assert f"http:127.0.0.1 {status} it at" in lost.json()["detail"]
            assert f"({who})" in lost.json()["detail"]
            orders = [each for each in rig.sent if each.decision_id == decision.id]
            assert len(orders) == (status == "approved")


async def test_the_clock_and_a_person_at_the_same_moment_have_one_winner(rig):
    """Whoever it is, the order goes once or never."""
    async with expiring(rig):
        for n in range(10):
            decision = await rig.ask(chr(ord("a") + n))
            moving = asyncio.create_task(rig.clock.advance(TTL_S))
            answer, _ = await asyncio.gather(
                rig.approvals.approve(decision.id, actor="ann"), moving, return_exceptions=True
            )
            await _until(lambda: not rig.approvals.is_waiting("AAPL"))
            status, outcome, _ = await rig.standing(decision)
            orders = [each for each in rig.sent if each.decision_id == decision.id]
            assert len(orders) == (outcome is Outcome.ORDERED) == (status == "approved")
            assert isinstance(answer, ControlRefused) == (status == "expired")


async def _until(condition):
    async with asyncio.timeout(60):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)
