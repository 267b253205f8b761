"""The journal's database is a server, fills its disk or goes away under a running bot.

The oracle is the exchange's own record: nothing is opened while nothing can be written, what
protects and what closes goes on, and at the return the journal knows all of it.
"""

import asyncio
import contextlib
import os
import resource
import signal
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from domain.errors import JournalError
from domain.orders import OrderState
from domain.ports import Entry, EntryKind
from engine.clock import LiveClock
from engine.control import SessionState
from journal.aside import append_aside
from journal.database import JournalConfig
from journal.reads.reader import Reader
from journal.spool import Spool

ROOT = Path(__file__).parents[2]
PAIR, STOCK = "BTC/USD", "AAPL"
WAIT_S = 60.0

pytestmark = pytest.mark.timeout(300)


class StoppedServer:
    """PostgreSQL is shut down, and comes back with what it had committed."""

    def __init__(self, server, url):
        self._server = server
        self.url = url

    async def begin(self):
        await asyncio.to_thread(self._server.stop)

    async def end(self):
        await asyncio.to_thread(self.restore)

    def restore(self):
        if not self._server.is_running:
            self._server.start()


class FullDisk:
    """The operating system lets no file grow: as a full disk, for this process alone."""

    def __init__(self, path):
        self._path = path
        self.url = f"sqlite:///{path}"
        self._soft, self._hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def begin(self):
        """Let the database's log outgrow the spool, which has its room, and stop it there."""
        body = {"code": "TEST", "message": "m" * 50_000}
        for _ in range(30):
            entry = Entry(kind=EntryKind.ALERT, ref="x", body=body)
            await append_aside(JournalConfig(url=self.url), LiveClock(), entry, deadline_s=30.0)
        self._stop_growing()

    def _stop_growing(self):
        limit = Path(f"{self._path}-wal").stat().st_size
        assert limit > 1024 * 1024
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, self._hard))

    async def end(self):
        self.restore()

    def restore(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._soft, self._hard))


@pytest.fixture(params=["stopped-server", "full-disk"])
def outage(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if request.param == "full-disk":
        made = FullDisk(tmp_path / "journal.sqlite3")
    else:
        url = request.getfixturevalue("postgresql_url")
        made = StoppedServer(request.getfixturevalue("postgresql_server"), url)
    yield made
    made.restore()


async def test_an_outage_under_a_running_bot_opens_nothing_and_loses_nothing(
    open_house, until, outage
):
    """Entries are denied, flatten goes through the spool, and the bot goes on without a restart."""
    spool = Spool(JournalConfig(url=outage.url).spool_path)
    async with open_house() as house, house.bot(DATABASE_URL=outage.url) as process:
        bot, reader = process.bot, process.bot.reader()
        house.model.wants[PAIR] = "buy"
        await until(lambda: house.resting_stop(PAIR), WAIT_S, what="a protected position")
        house.model.wants[PAIR] = "hold"
        acknowledged = await reader.last_seq()

        await outage.begin()
        await until(lambda: not bot.status().is_journal_up, WAIT_S, what="the journal is down")
        house.model.wants[STOCK] = "buy"
        asked = len(house.model.asked)
        with contextlib.suppress(JournalError):
            await bot.decide(STOCK, actor="ann")
        await until(
            lambda: (STOCK, "directive") in house.model.asked[asked:],
            WAIT_S,
            what="the model wants to buy",
        )
        await bot.flatten(actor="ann")
        await until(lambda: house.held(PAIR) == 0, WAIT_S, what="the position is closed")
        house.model.wants[STOCK] = "hold"
        assert spool.has_lines()
        assert not [order for order in house.orders() if order["symbol"] == STOCK]

        await outage.end()
        await until(lambda: bot.status().is_journal_up, WAIT_S, what="the journal is back")
        await until(lambda: not spool.has_lines(), WAIT_S, what="the spool is replayed")
        await until(lambda: _agree(house, reader), WAIT_S, what="the journal equals the venue")
        assert await reader.last_seq() > acknowledged
        assert (await reader.verify_chain()).is_sound

        await until(lambda: bot.status().is_reconciled, WAIT_S, what="the venue agrees")
        await bot.resume(actor="ann", code="OPERATOR")
        if bot.status().session is not SessionState.RUNNING:
            await bot.start(actor="ann")
        house.model.wants[STOCK] = "buy"
        await until(lambda: house.held(STOCK) > 0, WAIT_S, what="it trades again")


async def test_a_bot_on_postgresql_is_killed_while_it_trades_and_agrees_after_a_restart(
    open_house, until, postgresql_url, tmp_path, child
):
    """The whole loop on a server: bought, protected, killed, started again, nothing doubled."""
    config = JournalConfig(
        url=postgresql_url,
        anchor_file=tmp_path / JournalConfig(url=postgresql_url).anchor_path,
        spool_file=tmp_path / JournalConfig(url=postgresql_url).spool_path,
    )
    async with open_house() as house:
        settings = house.settings(DATABASE_URL=postgresql_url, TRADING_SYMBOLS=PAIR)
        house.model.wants[PAIR] = "buy"
        async with child(settings) as first:
            await until(lambda: house.resting_stop(PAIR), WAIT_S, what="a protected position")
            house.model.wants[PAIR] = "hold"
            first.kill()
            assert await first.wait() == -signal.SIGKILL
        held = house.held(PAIR)
        async with child(settings), Reader(config) as reader:
            await until(lambda: _covers(house), WAIT_S, what="a stop of the whole position rests")
            await until(lambda: _agree(house, reader), WAIT_S, what="the journal equals the venue")
            assert house.held(PAIR) == held > 0
            entries = [o for o in house.orders() if "-entry-" in o["client_order_id"]]
            assert len({o["client_order_id"] for o in entries}) == len(entries)
            verdict = await reader.verify_chain()
            assert verdict.is_sound, verdict.first_bad


async def test_two_bots_on_one_file_are_refused_with_one_line(open_house, until, tmp_path, child):
    """The second one exits with 4 and says who holds the journal."""
    async with open_house() as house:
        settings = house.settings()
        async with child(settings) as first:
            said = await refused(settings, tmp_path)
            assert f"pid {first.pid}" in said


async def refused(settings, folder):
    """Run `autohedge run` on the same journal; returns the one line it ends with."""
    env = {name: str(value) for name, value in settings.items()}
    second = await _spawn(("-m", "api.cli", "run"), env, folder)
    async with asyncio.timeout(WAIT_S):
        _, said = await second.communicate()
    assert second.returncode == 4, said.decode()
    [line] = [text for text in said.decode().splitlines() if "JOURNAL_LOCKED" in text]
    assert "Another process" in line
    assert "DATABASE_URL" in line
    return line


async def _spawn(command, env, folder):
    return await asyncio.create_subprocess_exec(
        *(sys.executable, *command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **env},
        cwd=folder,
    )


def _covers(house):
    stop = house.resting_stop(PAIR)
    return stop is not None and Decimal(stop["qty"]) == house.held(PAIR)


async def _agree(house, reader):
    """Tell whether every order of the venue is journaled with its fills, and no other works."""
    venue = {order["id"]: order for order in house.orders()}
    page = await reader.orders.page(limit=500)
    known = {row.order.venue_order_id: row.order for row in page.items if row.order.venue_order_id}
    nowhere = [row.order for row in page.items if row.order.venue_order_id is None]
    still_open = {name for name, order in known.items() if not order.state.is_terminal}
    return (
        set(known) == set(venue)
        and still_open == {order["id"] for order in house.orders("open")}
        and all(order.state is OrderState.REJECTED for order in nowhere)
        and all(
            order.filled_quantity == Decimal(venue[name]["filled_qty"])
            for name, order in known.items()
        )
    )
