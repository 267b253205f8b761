"""Canaries: a secret in every setting that holds one, a run full of failures, and a search.

What is searched is everything written: stdout and stderr of every process, every file beside the
journal, every answer of every route, and what the journal keeps compressed.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest
import zstandard

from api.app import served_routes
from api.logs.redaction import address_names, secret_names
from api.proving.house import House, open_house
from api.settings import known_variables
from exchange.config import seeded_crypto

ROOT = Path(__file__).parents[2]
AUTOHEDGE = [sys.executable, "-m", "api.cli"]
DEADLINE_S = 120.0

CANARIES = {name: f"canary-{name.lower().replace('_', '-')}-7f3a" for name in secret_names()}
IN_ADDRESS = {name: f"canary-{name.lower().replace('_', '-')}-9c1d" for name in address_names()}
ZSTD = b"\x28\xb5\x2f\xfd"


def needles() -> dict[str, bytes]:
    """Every form in which a canary could be written, by the variable that holds it."""
    found = {}
    for name, secret in {**CANARIES, **IN_ADDRESS}.items():
        found[name] = secret.encode()
        found[f"{name} (basic)"] = base64.b64encode(f"user:{secret}".encode())[8:-4]
        found[f"{name} (reversed half)"] = secret[7:].encode()
    return found


def leaks_in(content: bytes) -> list[str]:
    return [name for name, needle in needles().items() if needle in content]


def with_canary(address: str, name: str) -> str:
    """Put a user and the canary of a setting before an address's host."""
    parts = urlsplit(address)
    return parts._replace(netloc=f"user:{quote(IN_ADDRESS[name])}@{parts.netloc}").geturl()


@pytest.fixture
async def house(model, tmp_path):
    pair = seeded_crypto("BTC/USD", 86e3)
    keys = {"key": CANARIES["APCA_API_KEY_ID"], "secret": CANARIES["APCA_API_SECRET_KEY"]}
    async with open_house(pair, model=model, folder=tmp_path, **keys) as opened:
        yield opened


def environment(house: House, **changes: str) -> dict[str, str]:
    """Return an environment with a canary in every setting that can hold a secret."""
    kept = {k: v for k, v in os.environ.items() if k not in known_variables()}
    settings = {k: str(v) for k, v in house.settings(**CANARIES).items()}
    hook = f"json://bot:{CANARIES['ALERT_URLS']}@127.0.0.1:9/{CANARIES['ALERT_URLS']}"
    settings["ALERT_URLS"] = hook
    settings["LLM_BASE_URL"] = with_canary(settings["LLM_BASE_URL"], "LLM_BASE_URL")
    more = {"PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}
    return {**kept, **settings, "LOG_LEVEL": "debug", **more, **changes}


async def said(folder: Path, *arguments: str, **env: str) -> bytes:
    """Run a command that ends by itself; return all it wrote."""
    child = await asyncio.create_subprocess_exec(
        *AUTOHEDGE,
        *arguments,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(DEADLINE_S):
        told, _ = await child.communicate()
    return told


def everything_kept(folder: Path) -> dict[str, bytes]:
    """Every file of a folder as it is, and every compressed body of its databases."""
    kept = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for path in folder.glob("*.sqlite3"):
        with closing(sqlite3.connect(path)) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                rows = database.execute(f'SELECT * FROM "{table}"').fetchall()
                kept[f"{path}:{table}"] = b"\n".join(_plain(cell) for row in rows for cell in row)
    return kept


def _plain(cell: object) -> bytes:
    if not isinstance(cell, bytes):
        return str(cell).encode()
    return zstandard.decompress(cell) if cell.startswith(ZSTD) else cell


async def answers_of(port: int, until) -> dict[str, bytes]:
    """Ask every route that reads, some that act, and some that refuse; return every answer."""
    found: dict[str, bytes] = {}
    token = {"authorization": f"Bearer {CANARIES['API_TOKEN']}"}
    wrong = {"authorization": f"Bearer {CANARIES['API_TOKEN']}x"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        paths = await readable(client, token, until)
        for path in paths:
            for headers in (token, {}, wrong):
                answer = await client.get(path, headers=headers)
                found[f"GET {path} {len(found)}"] = answer.content + repr(answer.headers).encode()
        found["GET /events"] = await events(client, token)
        for path in ("/halt", "/resume", "/decide/NOPE", "/approvals/x/approve", "/flatten"):
            answer = await client.post(path, headers=token, json={"reason": "canary run"})
            found[f"POST {path}"] = answer.content
    assert {"/openapi.json", "/metrics", "/status", "/docs"} <= set(paths)
    return found


async def readable(client: httpx.AsyncClient, token: dict[str, str], until) -> list[str]:
    """Wait for a bot that has decided; return every path that can be read."""

    async def is_up() -> bool:
        try:
            return (await client.get("/health")).status_code == 200
        except httpx.HTTPError:
            return False

    async def decided() -> list[dict[str, str]]:
        items: list[dict[str, str]] = (await client.get("/decisions", headers=token)).json()[
            "items"
        ]
        return items

    await until(is_up, DEADLINE_S, what="the bot answers")
    first = (await until(decided, DEADLINE_S, what="a decision is journaled"))[0]
    named = {
        "decision_id": first["id"],
        "digest": first["window_digest"],
        "version": "any",
        "name": "main.js",
        "symbol": first["symbol"],
    }
    routes = [route for route in served_routes() if "GET" in route.methods]
    return [route.path_format.format(**named) for route in routes if route.path != "/events"]


async def events(client: httpx.AsyncClient, token: dict[str, str]) -> bytes:
    """Return the first events since the journal's begin."""
    told = b""
    async with client.stream("GET", "/events", headers={**token, "last-event-id": "0"}) as live:
        async for chunk in live.aiter_bytes():
            told += chunk
            if told.count(b"\n\n") > 3:
                break
    return told


async def test_no_canary_is_found_in_anything_that_is_written(house, tmp_path, until) -> None:
    """Wrong keys, dead endpoints, refused settings, SIGTERM, an aborting signal, a doctor."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port, dead = free.getsockname()[1], f"http://user:{IN_ADDRESS['LLM_BASE_URL']}@127.0.0.1:1"
    folder = tmp_path / "run"
    folder.mkdir()
    journal = {"DATABASE_URL": f"sqlite:///{folder}/journal.sqlite3", "PORT": str(port)}
    written: dict[str, bytes] = {}
    for ending in (signal.SIGTERM, signal.SIGABRT):
        log = folder / f"{ending.name}.log"
        with log.open("wb") as out:
            child = await asyncio.create_subprocess_exec(
                *AUTOHEDGE,
                "run",
                "--start",
                cwd=folder,
                env=environment(house, **journal, LLM_BASE_URL=dead, LOG_FORMAT="json"),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        try:
            answers = await answers_of(port, until)
            written |= {f"{ending.name}: {name}": text for name, text in answers.items()}
        finally:
            if child.returncode is None:
                child.send_signal(ending)
            async with asyncio.timeout(DEADLINE_S):
                await child.wait()
        assert child.returncode in {0, -signal.SIGABRT}, log.read_text()
        assert log.stat().st_size > 0
    assert b"Fatal Python error: Aborted" in (folder / "SIGABRT.log").read_bytes()

    postgres = f"postgresql://user:{IN_ADDRESS['DATABASE_URL']}@127.0.0.1:1/journal"
    env = environment(house, **journal)
    wrong = {**env, "APCA_API_SECRET_KEY": CANARIES["APCA_API_SECRET_KEY"] + "-wrong"}
    runs = {
        "doctor": (("doctor",), env),
        "doctor --json": (("doctor", "--json"), env),
        "doctor, all dead": (
            ("doctor", "--json"),
            {**env, "LLM_BASE_URL": dead, "APCA_API_BASE_URL": dead, "DATABASE_URL": postgres},
        ),
        "doctor, passwords before hosts": (
            ("doctor",),
            env
            | {
                name: with_canary(env[name], name)
                for name in ("APCA_API_BASE_URL", "APCA_DATA_URL", "APCA_STREAM_URL")
            },
        ),
        "report --json": (("report", "--json"), env),
        "report of no database": (("report",), {**env, "DATABASE_URL": postgres}),
        "run of no database": (("run",), {**env, "DATABASE_URL": postgres}),
        "run with a wrong key": (("run",), wrong),
        "run at a dead venue": (("run",), {**env, "APCA_API_BASE_URL": dead}),
        "run with a refused mode": (("run",), {**env, "TRADING_MODE": "forex"}),
        "run with a refused token": (
            ("run",),
            {**env, "API_TOKEN_READ": CANARIES["API_TOKEN"]},
        ),
        "run with refused addresses": (
            ("run",),
            {**env, "LLM_BASE_URL": f"ftp{dead}", "DATABASE_URL": f"oracle{postgres}"},
        ),
    }
    for name, (arguments, given) in runs.items():
        written[name] = await said(folder, *arguments, **given)
    written |= everything_kept(tmp_path)
    assert any("decisions" in name for name in written)
    assert {name: leaks_in(text) for name, text in written.items() if leaks_in(text)} == {}


def test_the_search_would_find_a_canary_in_each_form() -> None:
    """A search that finds nothing anywhere proves nothing."""
    for name, secret in {**CANARIES, **IN_ADDRESS}.items():
        basic = base64.b64encode(f"user:{secret}".encode())
        for form in (secret.encode(), basic, b'"url": "http://user:' + secret.encode() + b'@h"'):
            assert any(leak.startswith(name) for leak in leaks_in(form))
