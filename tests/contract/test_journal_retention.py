"""What is old goes by setting, and the chain still verifies and says since when it is whole."""

import asyncio

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from journal.audit.database import AuditOptions
from journal.database import address_of
from journal.reads.reader import Reader
from journal.sql import SqlJournal

DAY_S = 86_400


@pytest.fixture
def short(config):
    """A journal that keeps ten days, windows and prompts three, and looks all the time."""
    return msgspec.structs.replace(
        config, retention_days=10, retention_contents_days=3, look_every_s=0.01
    )


async def until(condition):
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - another connection's view has no event
            await asyncio.sleep(0.01)


async def firsts(config):
    """The numbers of the first entry and of the first content."""
    engine = create_async_engine(address_of(config.url).reader_url)
    async with engine.connect() as connection:
        found = [
            await connection.scalar(sa.text(f"SELECT min(seq) FROM {table}"))
            for table in ("entries", "contents")
        ]
    await engine.dispose()
    return found


@pytest.fixture
async def old(config, clock, make):
    """Day 0: a trade and 1,200 alerts (entries 1 to 1206), day 8: a decision, day 12: an alert."""
    asked = make.request()
    async with SqlJournal(config, clock) as journal:
        await journal.append(make.decided(make.decision(1)))
        await journal.append(make.gate(asked), make.intent(asked), *make.filled(asked))
        await journal.append(*(make.alert(n) for n in range(1_200)))
        await clock.advance(8 * DAY_S)
        await journal.append(make.decided(make.decision(2)))
        await clock.advance(4 * DAY_S)
        await journal.append(make.alert(-1))
        return await journal.reader.last_seq()


async def test_old_entries_go_in_batches_and_the_rest_verifies(old, short, clock, make):
    """The anchor that names the cut is in the chain before anything is removed."""
    async with SqlJournal(short, clock) as journal:

        async def is_cut():
            return (await firsts(short))[0] > 1_200

        await until(is_cut)
        verdict = await journal.reader.verify_chain()
        assert verdict.is_sound, verdict.first_bad
        assert verdict.first > 1_200
        assert await firsts(short) == [verdict.first, None]
        assert (await journal.reader.decisions.story("d2")).decision.id == "d2"
        report = await journal.reader.report()
        assert (report.decisions, report.fills) == (2, 1)
        await journal.append(make.alert(3))
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            await _delete(short)
    async with SqlJournal(short, clock) as journal:
        assert (await journal.reader.verify_chain()).is_sound


async def _delete(config, where="", *, lift=False):
    """Delete entries as someone who knows SQL would, the guard lifted first or not."""
    address = address_of(config.url)
    guard = (
        "DROP TRIGGER entries_no_delete"
        if address.path
        else "ALTER TABLE entries DISABLE TRIGGER entries_no_change"
    )
    engine = create_async_engine(address.reader_url)
    try:
        async with engine.begin() as connection:
            if lift:
                await connection.execute(sa.text(guard))
            await connection.execute(sa.text(f"DELETE FROM entries {where}"))
    finally:
        await engine.dispose()


async def test_nothing_goes_from_the_oldest_working_order_on(config, short, clock, make):
    """What the bot still has to answer for is kept, however old it is."""
    asked = make.request()
    async with SqlJournal(config, clock) as journal:
        await journal.append(make.alert(1), make.alert(2))
        await journal.append(make.intent(asked), make.accepted(asked))
        await clock.advance(40 * DAY_S)
        await journal.append(make.alert(3))
    async with SqlJournal(short, clock) as journal:

        async def is_cut():
            return (await firsts(short))[0] > 1

        await until(is_cut)
        assert (await firsts(short))[0] == 3
        assert (await journal.reader.verify_chain()).first == 3


async def test_a_beginning_removed_by_another_hand_is_found(old, config, short, clock):
    """More is gone than the journal said."""
    async with SqlJournal(short, clock):

        async def is_cut():
            return (await firsts(short))[0] > 1_200

        await until(is_cut)
    first = (await firsts(short))[0]
    await _delete(short, f"WHERE seq = {first}", lift=True)
    async with Reader(short) as reader:
        bad = (await reader.verify_chain(AuditOptions(has_projections=False))).first_bad
    assert bad.seq == first
    assert "missing" in bad.reason
