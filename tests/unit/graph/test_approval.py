"""A person has the last word: runs that wait on disk, end once, and never become another order."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from domain.decisions import Decision, Outcome, Role, canonical_decision
from domain.errors import JournalError
from graph.approval.checkpoints import CheckpointsConfig, libpq_url, open_checkpoints
from graph.approval.node import Word
from graph.approval.waiting import WaitingRuns, thread_of
from graph.desk import Desk, replay
from tests.unit.graph.conftest import HOLD, SELL, FixedClock, Scripted, long_position, make_window

ENDS = [
    (Word.APPROVED, Outcome.ORDERED, "APPROVED"),
    (Word.REFUSED, Outcome.REFUSED, "APPROVAL_REFUSED"),
    (Word.EXPIRED, Outcome.EXPIRED, "APPROVAL_EXPIRED"),
    (Word.CUT, Outcome.EXPIRED, "APPROVAL_CUT"),
]


@pytest.fixture
def in_file(tmp_path):
    """SQLite's own file, beside where a journal would be."""
    return CheckpointsConfig(path=tmp_path / "waiting.sqlite3")


@pytest.fixture(params=["sqlite", "postgresql"])
def config(request, in_file):
    """Both stores keep the same promises."""
    if request.param == "sqlite":
        return in_file
    return CheckpointsConfig(server_url=request.getfixturevalue("postgresql_url"))


@asynccontextmanager
async def desk(config, analyst=None, *, above=None):
    """A desk over the store, as one process opens it."""
    async with open_checkpoints(config) as checkpoints:
        waiting = WaitingRuns(checkpoints, above=above)
        yield Desk(analyst or Scripted(), FixedClock(), waiting=waiting)


async def threads(config) -> set[str]:
    async with open_checkpoints(config) as checkpoints:
        found = [each async for each in checkpoints.saver.alist(None)]
    return {each.config["configurable"]["thread_id"] for each in found}


async def decide(made: Desk, **changes: Any) -> Decision:
    return (await made.decide(make_window(**changes), deadline_s=20)).decision


@pytest.mark.parametrize(("word", "outcome", "code"), ENDS)
async def test_a_run_waits_across_processes_and_ends_by_one_word(config, word, outcome, code):
    """No model is asked again, the order stays as it was, and nothing is left on disk."""
    analyst = Scripted()
    async with desk(config, analyst) as first:
        asked = await decide(first)
    assert (asked.outcome, asked.reason_code) == (Outcome.AWAITING_APPROVAL, "APPROVAL_PENDING")
    assert asked.request is not None
    async with desk(config, analyst) as second:
        assert await second.waits(asked)
        ended = await second.conclude(asked, word)
        assert (ended.outcome, ended.reason_code) == (outcome, code)
        assert ended.request == asked.request
        assert not await second.waits(asked)
        await second.forget(ended)
    assert analyst.roles == list(Role)
    assert await threads(config) == set()


async def test_the_same_word_twice_orders_once(config):
    """LangGraph itself lets two resumes succeed: the second one is lost here."""
    async with desk(config) as made:
        asked = await decide(made)
        first = await made.conclude(asked, Word.APPROVED)
        second = await made.conclude(asked, Word.APPROVED)
    assert first.outcome is Outcome.ORDERED
    assert (second.outcome, second.reason_code) == (
        Outcome.EXPIRED,
        "APPROVAL_LOST",
    )


async def test_runs_that_need_nobody_leave_nothing_behind(config):
    """A hold ends where it ended before, and its thread is gone."""
    async with desk(config, Scripted(director=HOLD)) as made:
        assert (await decide(made)).outcome is Outcome.HELD
    assert await threads(config) == set()


async def test_a_close_never_waits_for_a_person(config):
    """What makes a position smaller is not held up by somebody's lunch."""
    async with desk(config, Scripted(director=SELL)) as made:
        decision = await decide(made, position=long_position())
    assert (decision.outcome, decision.reason_code) == (Outcome.ORDERED, "CLOSE")
    assert await threads(config) == set()


@pytest.mark.parametrize(
    ("above", "outcome"), [("99.99", Outcome.AWAITING_APPROVAL), ("100.00", Outcome.ORDERED)]
)
async def test_above_asks_only_for_entries_worth_more(config, above, outcome):
    """The entry of this window costs a little under 100 dollars and a tick."""
    async with desk(config, above=Decimal(above)) as made:
        decision = await decide(made)
    assert decision.outcome is outcome
    assert decision.request is not None
    assert Decimal("99.99") < decision.request.quantity * decision.request.limit_price <= 100


async def test_an_order_that_was_altered_on_disk_is_not_the_one_that_was_approved(config):
    """What leaves is what the person saw and the journal holds, or nothing."""
    async with desk(config) as made:
        asked = await decide(made)
        assert asked.request is not None
        shown = msgspec.structs.replace(asked.request, quantity=Decimal(1))
        other = msgspec.structs.replace(asked, request=shown)
        assert not await made.waits(other)
        ended = await made.conclude(other, Word.APPROVED)
    assert (ended.outcome, ended.reason_code) == (Outcome.EXPIRED, "APPROVAL_LOST")


async def test_a_start_throws_away_what_no_approval_speaks_of(config):
    """A process that died between keeping a run and journaling it left an orphan."""
    async with desk(config) as made:
        kept = await decide(made, decision_id="a" * 24)
        await decide(made, decision_id="b" * 24)
        await made.keep_only([kept])
        assert await made.waits(kept)
    assert await threads(config) == {thread_of(kept)}


@pytest.mark.parametrize("word", [Word.REFUSED, Word.EXPIRED, Word.APPROVED])
async def test_a_desk_without_approvals_ends_what_another_left_waiting(word):
    """APPROVAL=never after APPROVAL=always: a no stays a no, and a yes finds nothing to approve."""
    plain = Desk(Scripted(), FixedClock())
    asked = msgspec.structs.replace(await decide(plain), outcome=Outcome.AWAITING_APPROVAL)
    assert not await plain.waits(asked)
    ended = await plain.conclude(asked, word)
    assert ended.outcome is not Outcome.ORDERED


@pytest.mark.parametrize(("word", "outcome", "code"), ENDS)
async def test_what_a_person_said_is_replayed_to_the_byte(in_file, word, outcome, code):
    """A person's word is recorded, as the models' answers are."""
    async with desk(in_file) as made:
        asked = await decide(made)
        ended = await made.conclude(asked, word)
    assert (ended.outcome, ended.reason_code) == (outcome, code)
    for decision in (asked, ended):
        again = await replay(
            make_window(),
            _Recorded(decision),
            analyst=decision.analyst,
            clock=FixedClock(),
            approval=decision.reason_code,
        )
        assert canonical_decision(again.decision) == canonical_decision(decision)


class _Recorded:
    """The journal's answers to one decision's questions."""

    def __init__(self, decision: Decision) -> None:
        self._calls = decision.calls

    async def recorded(self, _decision_id, role, attempt):
        found = (c for c in self._calls if (c.role, c.attempt) == (role, attempt))
        return next(found, None)


async def test_a_store_that_cannot_be_written_lets_no_order_wait(in_file):
    """The run fails with a line that says what to do; the dispatcher's guard shows it."""
    async with desk(in_file) as made:
        with contextlib.closing(sqlite3.connect(in_file.path)) as other, other:
            other.execute("DROP TABLE checkpoints")
        with pytest.raises(JournalError, match="cannot be read or written") as refused:
            await decide(made)
    assert refused.value.code == "CHECKPOINTS_DOWN"


async def test_a_file_that_is_no_database_stops_the_start_with_one_line(in_file):
    """No traceback, and the way out is named."""
    in_file.path.write_text("this is not a database, whatever its name says" * 10)
    with pytest.raises(JournalError, match="not a database") as refused:
        await threads(in_file)
    assert "APPROVAL=never" in refused.value.remedy


async def test_a_stored_object_is_never_brought_to_life(in_file, caplog):
    """A row that names a class imports and calls nothing (CVE-2026-28277)."""
    async with open_checkpoints(in_file) as checkpoints:
        row = JsonPlusSerializer(allowed_msgpack_modules=True).dumps_typed(CheckpointsConfig())
        assert isinstance(JsonPlusSerializer().loads_typed(row), CheckpointsConfig)
        with caplog.at_level(logging.ERROR):
            revived = checkpoints.saver.serde.loads_typed(row)
    assert not isinstance(revived, CheckpointsConfig)


@pytest.mark.parametrize(
    ("url", "spelled"),
    [
        ("postgresql+asyncpg://u:p@h/n", "postgresql://u:p@h/n"),
        ("postgres://u@h:5433/n?ssl=require", "postgresql://u@h:5433/n?sslmode=require"),
        ("postgresql://h/n?a=1&ssl=prefer", "postgresql://h/n?a=1&sslmode=prefer"),
    ],
)
def test_one_address_serves_both_drivers(url, spelled):
    """The journal speaks asyncpg, LangGraph libpq."""
    assert libpq_url(url) == spelled


def test_the_address_of_a_server_never_prints():
    """It holds a password."""
    assert "secret" not in repr(CheckpointsConfig(server_url="postgresql://u:secret@h/n"))
