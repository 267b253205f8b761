"""`autohedge fetch` as a person meets it: killed in the middle, run again, read by a backtest."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from api.settings import known_variables
from backtest.data import load
from domain.records import parse_ns
from exchange.config import ExchangeConfig, seeded_crypto
from exchange.faults import Fault, FaultKind, FaultPlan, Where
from exchange.server import ExchangeServer

ROOT = Path(__file__).parents[2]
PAIRS = ("BTC/USD", "ETH/USD", "SOL/USD")


@pytest.fixture
def plan():
    return FaultPlan()


@pytest.fixture
async def exchange(plan):
    looks = {"prints_per_s": 0.01, "quotes_per_s": 0.01}
    config = ExchangeConfig(
        symbols=tuple(seeded_crypto(pair, 100.0, **looks) for pair in PAIRS),
        origin_ns=parse_ns("2024-07-10T12:00:00Z"),
        history_minutes=800,
        step_s=0.1,
    )
    async with ExchangeServer(config, faults=plan) as server:
        yield server


@pytest.fixture
def start(exchange, tmp_path):
    """Start the command in an empty folder, pointed at the exchange."""
    kept = {k: v for k, v in os.environ.items() if k not in known_variables()}
    settings = {
        "APCA_API_KEY_ID": exchange.key,
        "APCA_API_SECRET_KEY": exchange.secret,
        "APCA_DATA_URL": exchange.rest_url,
        "PYTHONPATH": str(ROOT),
    }

    async def started(*arguments):
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "api.cli", "fetch", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=tmp_path,
            env={**kept, **settings},
        )

    return started


ASKED = (*PAIRS, "--from", "2024-07-09", "--to", "2024-07-10", "--kind", "trades,bars")
ASKED += ("--interval", "1h", "--json")
UNITS = 3 * 2 + 3


async def test_a_fetch_that_is_killed_goes_on_where_it_stopped(start, plan, exchange, tmp_path):
    """Whole parts stay, nothing half-written is read, and what is there is not asked for again."""
    folder = tmp_path / "data" / "alpaca"
    slow = Where(path="/v1beta3/*")
    plan.add(Fault(kind=FaultKind.REQUEST_SLOW, where=slow, seconds=0.4, times=None))
    doomed = await start(*ASKED)
    async with asyncio.timeout(60):
        while len(list(folder.rglob("*.parquet"))) < 2:  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.02)
    doomed.send_signal(signal.SIGKILL)
    await doomed.communicate()
    kept = {path: path.read_bytes() for path in folder.rglob("*.parquet")}
    assert 2 <= len(kept) < UNITS
    plan.clear()

    again = await start(*ASKED)
    out, err = await again.communicate()
    assert (again.returncode, err) == (0, b"")
    told = json.loads(out)
    assert (told["units"], told["was_there"]) == (UNITS, len(kept))
    assert told["requests"] == UNITS - len(kept)
    assert {path: path.read_bytes() for path in kept} == kept
    ids = [row for path in folder.rglob("trades*/**/*.parquet") for row in _ids(path)]
    assert len(ids) == len(set(ids)) > 500
    series, _ = load(f"alpaca:{folder}")
    assert [each.symbol for each in series] == list(PAIRS)
    assert {each.interval_s for each in series} == {3_600}


def _ids(path):
    return [(row["symbol"], row["trade_id"]) for row in pq.read_table(path).to_pylist()]


async def test_a_symbol_without_data_is_an_error_that_names_it(start, tmp_path):
    """A mistyped symbol ended well with "0 rows", and a backtest looked for it in vain."""
    asked = ("BTC/USD", "NOPE/USD", "--from", "2024-07-09", "--to", "2024-07-10")
    for _ in range(2):
        fetching = await start(*asked, "--interval", "1h")
        out, err = await fetching.communicate()
        assert fetching.returncode == 2
        assert b"units came in" in out
        assert b"FETCH_EMPTY: The venue has nothing of NOPE/USD from 2024-07-09" in err
    kept = [path.parent.name for path in (tmp_path / "data/alpaca").rglob("*.parquet")]
    assert set(kept) == {"BTC-USD"}
