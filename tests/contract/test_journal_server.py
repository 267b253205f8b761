"""What only a database server does: it restarts, hangs up and says no while one connects."""

import asyncio

import pytest

from domain.errors import JournalError
from journal.database import JournalConfig
from journal.reads.reader import Reader
from journal.sql import SqlJournal


@pytest.fixture
def config(postgresql_url, tmp_path):
    return JournalConfig(
        url=postgresql_url,
        anchor_file=tmp_path / "journal.anchors",
        spool_file=tmp_path / "journal.spool",
        retry_first_s=0.01,
        retry_last_s=0.05,
        look_every_s=0.02,
    )


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_restarted_server_is_found_again_with_all_that_was_acknowledged(
    config, clock, make, postgresql_server, end
):
    """Each refusal on the way down and up is one more failed try, and none ends the writer.

    A server that shuts down or starts up refuses connections with an error of the driver's own,
    which SQLAlchemy does not wrap: it went past every handler and ended the journal for good.
    """
    acknowledged, changes = [], []
    is_up = asyncio.Event()

    def changed(failure):
        changes.append(failure)
        is_up.set() if failure is None else is_up.clear()

    async with SqlJournal(config, clock, on_change=changed) as journal:

        async def write():
            n = 0
            while not is_up.is_set():
                try:
                    await journal.append(make.alert(n))
                    acknowledged.append(n)
                except JournalError:
                    await asyncio.sleep(0.005)
                n += 1

        writing = asyncio.create_task(write())
        await journal.append(make.alert(-1))
        await asyncio.to_thread(getattr(postgresql_server, end))
        await asyncio.to_thread(postgresql_server.start)
        async with asyncio.timeout(60):
            await is_up.wait()
            await writing
        assert changes[0] is not None
        await journal.append(make.alert(-2))
        kept, seq = [], 0
        while page := await journal.reader.entries_after(seq):
            kept += [e.body["n"] for e in page if "n" in e.body]
            seq = page[-1].seq
        assert set(acknowledged) <= set(kept)
        assert len(kept) == len(set(kept))
        assert (await journal.reader.verify_chain()).is_sound


async def test_a_server_that_is_not_there_is_named_in_one_line(config, clock, postgresql_server):
    """To who starts the bot and to who reads; the password does not show."""
    postgresql_server.stop()
    try:
        with pytest.raises(JournalError) as caught:
            await SqlJournal(config, clock).open()
        assert "\n" not in caught.value.line
        assert "DATABASE_URL" in caught.value.remedy
        assert config.url.split(":")[2].split("@")[0] not in caught.value.line
        async with Reader(config) as reader:
            with pytest.raises(JournalError):
                await reader.last_seq()
            with pytest.raises(JournalError):
                await reader.verify_chain()
    finally:
        postgresql_server.start()


async def test_a_second_bot_may_begin_when_the_first_one_is_gone(config, clock, make):
    """The server frees the right to run with the connection that held it."""
    first = SqlJournal(config, clock)
    await first.open()
    with pytest.raises(JournalError) as caught:
        await SqlJournal(config, clock).open()
    assert caught.value.code == "JOURNAL_LOCKED"
    await first.close()
    async with SqlJournal(config, clock) as second:
        await second.append(make.alert())
