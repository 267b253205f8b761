"""Measure the journal: CPU a decision's entries cost, entries and commits a second, latency.

CPU is of the whole process, the journal's thread included, so it is what a decision pays; the
walls are the disk's. `sqlite+aiosqlite` is the same transaction through SQLAlchemy's asynchronous
engine, which the journal's own thread replaces. `python -m benchmarks.journal --disk DIR` tries
another disk.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import postgresql
from domain.ports import Entry, EntryKind
from domain.records import digest
from engine.clock import LiveClock
from journal.audit.database import AuditOptions
from journal.database import JournalConfig
from journal.sql import SqlJournal

DECISIONS = 2_000
ALONE = 300
POSTGRESQL = "postgresql"
AUDITED = 5_000
ROLES = ("director", "quant", "risk", "execution")
CHECKS = 30


def window(n: int, rng: random.Random) -> dict[str, object]:
    """Make a window of about 10 kB, different each time."""
    as_of = f"2026-01-05T15:{n // 60 % 60:02d}:{n % 60:02d}.000000000Z"
    bars = [[as_of, *(round(rng.uniform(99, 101), 2) for _ in range(7))] for _ in range(50)]
    article = {"ts": as_of, "headline": "Shares rise " * 8, "summary": "Analysts say " * 30}
    return {
        "symbol": "AAPL",
        "as_of": as_of,
        "decision_id": f"d{n}",
        "bars": bars,
        "indicators": {f"indicator_{i}": rng.random() for i in range(30)},
        "news": [{"id": str(i), "source": "benzinga", **article} for i in range(8)],
        "limits": {f"limit_{i}": str(i) for i in range(30)},
    }


def call(role: str, rng: random.Random) -> dict[str, object]:
    """Make one answered question."""
    return {
        "role": role,
        "attempt": 1,
        "model": "gpt-5-mini",
        "prompt_digest": f"{rng.getrandbits(256):064x}",
        "raw": '{"confirmed": true, "score": 0.71, "reason": "' + "because " * 40 + '"}',
        "tokens_in": 1800,
        "tokens_out": 120,
        "cost_usd": 0.0007,
        "latency_ms": 900.0,
        "error": None,
    }


def decision(n: int, rng: random.Random) -> Entry:
    """Make a decision that went through all four agents, with its window and prompts."""
    seen = window(n, rng)
    calls = [call(role, rng) for role in ROLES]
    body = {
        "id": f"d{n}",
        "symbol": "AAPL",
        "window_digest": digest(seen),
        "analyst": "llm:gpt-5-mini",
        "outcome": "ordered",
        "reason_code": "ORDERED",
        "as_of": seen["as_of"],
        "graph_version": "1",
        "directive": {"action": "buy", "confidence": 0.7, "thesis": "up " * 100},
        "calls": calls,
    }
    rows = "\n".join(" ".join(f"{rng.random():.4f}" for _ in range(8)) for _ in range(60))
    prompts = {str(c["prompt_digest"]): f"You are the {c['role']}.\n{rows}" for c in calls}
    return Entry(
        kind=EntryKind.DECISION,
        ref=f"d{n}",
        body={"decision": body, "window": seen, "prompts": prompts},
    )


def gate_and_intent(n: int) -> tuple[Entry, Entry]:
    """Make what the gateway writes ahead of an order."""
    name = f"ah-d{n}-entry-1"
    checks = [
        {"code": f"CODE_{i}", "passed": True, "value": "1.0", "limit": "2.0"} for i in range(CHECKS)
    ]
    gate = {
        "client_order_id": name,
        "decision_id": f"d{n}",
        "purpose": "entry",
        "authorized": True,
        "code": None,
        "checks": checks,
    }
    request = {
        "decision_id": f"d{n}",
        "leg": "entry",
        "symbol": "AAPL",
        "side": "buy",
        "quantity": "1.5",
        "order_type": "limit",
        "time_in_force": "ioc",
        "reference_price": "100",
        "valid_until": "2026-01-05T15:01:00Z",
        "client_order_id": name,
        "limit_price": "100.05",
    }
    return (
        Entry(kind=EntryKind.GATE, ref=name, body=gate),
        Entry(kind=EntryKind.INTENT, ref=name, body={"request": request}),
    )


@asynccontextmanager
async def opened(folder: Path, driver: str) -> AsyncIterator[SqlJournal]:
    """Open an empty journal; a server is started for it and gone after."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        if driver == POSTGRESQL:
            url = stack.enter_context(postgresql.server()).url()
        else:
            url = f"{driver}:///{place}/journal.sqlite3"
        config = JournalConfig(url=url, anchor_file=place / "anchors", spool_file=place / "spool")
        async with SqlJournal(config, LiveClock()) as journal:
            yield journal


async def in_flight(count: int, work: Callable[[int], Awaitable[None]], total: int) -> list[float]:
    """Do `total` pieces of work, `count` at once; returns each one's seconds."""
    numbers = iter(range(total))
    latencies = []

    async def worker() -> None:
        for n in numbers:
            start = time.perf_counter()
            await work(n)
            latencies.append(time.perf_counter() - start)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(worker())
    return latencies


class Load(NamedTuple):
    """So many pieces of work, so many at once."""

    name: str
    work: Callable[[int], Awaitable[None]]
    at_once: int
    total: int = DECISIONS


async def measure(journal: SqlJournal, load: Load) -> None:
    """Print one line about a load."""
    commits = journal.status().commits
    cpu, wall = time.process_time(), time.perf_counter()
    latencies = await in_flight(load.at_once, load.work, load.total)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    commits = journal.status().commits - commits
    cuts = statistics.quantiles(latencies, n=100)
    print(
        f"{load.name:<34} {load.at_once:>3} in flight {cpu / load.total * 1e6:6.0f} us CPU"
        f" {load.total / wall:7.0f}/s {commits / wall:6.0f} commits/s"
        f"  p50 {cuts[49] * 1e3:6.2f} ms  p99 {cuts[98] * 1e3:6.2f} ms"
    )


async def decisions(folder: Path, driver: str, count: int) -> None:
    rng = random.Random(7)
    total = ALONE if count == 1 else DECISIONS
    made = [decision(n, rng) for n in range(DECISIONS)]
    async with opened(folder, driver) as journal:

        async def held(n: int) -> None:
            await journal.append(made[n])

        await measure(journal, Load(f"{driver}: decision, 4 calls", held, count, total))
        pairs = [gate_and_intent(n) for n in range(DECISIONS)]

        async def write_ahead(n: int) -> None:
            await journal.append(*pairs[n])

        await measure(journal, Load(f"{driver}: gate and intent", write_ahead, count, total))


async def small(folder: Path, driver: str, count: int) -> None:
    entry = Entry(kind=EntryKind.ALERT, ref="x", body={"code": "BENCH", "message": "x" * 800})
    async with opened(folder, driver) as journal:

        async def one(_n: int) -> None:
            await journal.append(entry)

        total = ALONE if count == 1 else 5 * DECISIONS
        await measure(journal, Load(f"{driver}: 1 kB entry", one, count, total))


async def audits(folder: Path, driver: str) -> None:
    """Print how fast a journal of gates, intents and some decisions is verified."""
    rng = random.Random(7)
    async with opened(folder, driver) as journal:
        for start in range(0, AUDITED, 100):
            pairs = (journal.append(*gate_and_intent(start + n)) for n in range(100))
            held = (journal.append(decision(start + n, rng)) for n in range(10))
            await asyncio.gather(*pairs, *held)
        for name, options in (
            ("chain and contents", AuditOptions(has_projections=False)),
            ("and every row made anew", AuditOptions()),
        ):
            start_s = time.perf_counter()
            verdict = await journal.reader.verify_chain(options)
            assert verdict.is_sound
            rate = verdict.entries / (time.perf_counter() - start_s)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{driver}: audit, {name}: {verdict.entries} entries, {rate:.0f}/s,"
                f" process at most {peak:.0f} MB"
            )


async def run(folder: Path) -> None:
    print("journal: a decision is its window (10 kB), four prompts and answers; FULL sync")
    servers = (POSTGRESQL,) if postgresql.binaries() else ()
    if not servers:
        print(f"no figures of PostgreSQL: {postgresql.MISSING}")
    for driver in ("sqlite", "sqlite+aiosqlite", *servers):
        for count in (1, 16, 64):
            await decisions(folder, driver, count)
    for driver in ("sqlite", *servers):
        for count in (1, 16, 64, 256):
            await small(folder, driver, count)
        await audits(folder, driver)


def main() -> None:
    asyncio.run(run(Path(tempfile.gettempdir())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()))
    asyncio.run(run(parser.parse_args().disk))
