"""The door of a real process: where it listens, whose account it trades, who is asked."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest
import uvicorn

from api.proving.house import House, open_house
from api.settings import known_variables
from exchange.config import seeded_stock

ROOT = Path(__file__).parents[2]
AUTOHEDGE = [sys.executable, "-m", "api.cli"]
NUMBER = "912345678"
"""What the venue below calls its account: no paper account's number begins so."""
TOKEN = "token-0123456789abcdef"
DEADLINE_S = 90.0


class LiveVenue:
    """A local exchange whose account bears a live account's number; everything else is passed."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = [(k, v) for k, v in scope["headers"] if k not in {b"host", b"content-length"}]
        path = f"{scope['path']}?{scope['query_string'].decode()}"
        answer = await self._http.request(scope["method"], path, content=body, headers=headers)
        told = answer.content
        if scope["path"] == "/v2/account":
            told = json.dumps({**answer.json(), "account_number": NUMBER}).encode()
        kept = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
        await send({"type": "http.response.body", "body": told})


@asynccontextmanager
async def live_venue(exchange_url: str) -> AsyncIterator[str]:
    async with httpx.AsyncClient(base_url=exchange_url, timeout=60) as http:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            config = uvicorn.Config(LiveVenue(http), log_config=None, lifespan="off", ws="none")
            server = uvicorn.Server(config)
            config.load()
            server.lifespan = config.lifespan_class(config)
            await server.startup([listening])
            try:
                yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            finally:
                await server.shutdown([listening])


@pytest.fixture
async def house(model, tmp_path) -> AsyncIterator[House]:
    stock = seeded_stock("AAPL", 228.0)
    async with open_house(stock, model=model, folder=tmp_path) as opened:
        yield opened


def environment(house: House, **changes: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in known_variables()}
    settings = {k: str(v) for k, v in house.settings(ANALYST="rules", **changes).items()}
    return {**kept, **settings, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


async def ran(tmp_path: Path, *arguments: str, **env: str) -> tuple[int, str]:
    """Run a command that ends by itself, without a terminal; return its code and what it said."""
    child = await asyncio.create_subprocess_exec(
        *AUTOHEDGE,
        *arguments,
        cwd=tmp_path,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(DEADLINE_S):
        said, _ = await child.communicate()
    assert child.returncode is not None
    return child.returncode, said.decode()


async def read_until(stream: int, word: str) -> str:
    """Read what a child writes until it has said a word."""
    said, loop = "", asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE_S):
        while word not in said:
            said += (await loop.run_in_executor(None, os.read, stream, 4096)).decode()
    return said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
async def test_listening_to_others_without_a_token_ends_with_two(house, tmp_path, host) -> None:
    """Nothing is started; the line says which setting is missing."""
    code, said = await ran(tmp_path, "run", **environment(house, HOST=host))
    assert (code, "API_TOKEN" in said, said.count("\n")) == (2, True, 1)


async def test_live_without_a_person_is_refused_and_says_how(house, tmp_path) -> None:
    """Neither a terminal nor the account's number: a supervisor started it by mistake."""
    async with live_venue(house.exchange.rest_url) as url:
        env = environment(house, LIVE_TRADING="yes-real-money", APCA_API_BASE_URL=url)
        code, said = await ran(tmp_path, "run", "--live", **env)
        assert code == 2
        assert said.startswith("LIVE_NOT_CONFIRMED")
        assert "--confirm-live" in said
        assert NUMBER not in said
        code, said = await ran(tmp_path, "run", "--live", "--confirm-live", "912345679", **env)
        assert (code, said.split(":")[0]) == (2, "LIVE_NOT_CONFIRMED")
        assert NUMBER not in said
    assert house.orders() == []


async def test_an_account_of_the_other_kind_is_refused(house, tmp_path) -> None:
    """Live at a paper account, and paper at a live one, whatever the address looks like."""
    env = environment(house, LIVE_TRADING="yes-real-money")
    code, said = await ran(tmp_path, "run", "--live", "--confirm-live", NUMBER, **env)
    assert (code, said.split(":")[0]) == (2, "ACCOUNT_IS_PAPER")
    async with live_venue(house.exchange.rest_url) as url:
        env = environment(house, APCA_API_BASE_URL=url)
        code, said = await ran(tmp_path, "run", **env)
        assert (code, said.split(":")[0]) == (2, "ACCOUNT_IS_LIVE")


async def test_a_person_at_a_terminal_types_how_the_number_ends(house, tmp_path) -> None:
    """A wrong ending starts nothing; the right one trades, and says on whose account."""
    async with live_venue(house.exchange.rest_url) as url:
        env = environment(house, LIVE_TRADING="yes-real-money", APCA_API_BASE_URL=url)
        for typed, word in (("0000", "LIVE_NOT_CONFIRMED"), (NUMBER[-4:], "AutoHedge, live")):
            ours, theirs = pty.openpty()
            child = await asyncio.create_subprocess_exec(
                *AUTOHEDGE,
                "run",
                "--live",
                cwd=tmp_path,
                env=env,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
            )
            os.close(theirs)
            asked = await read_until(ours, "to go on:")
            assert "REAL MONEY" in asked
            assert NUMBER not in asked
            os.write(ours, f"{typed}\n".encode())
            said = await read_until(ours, word)
            if "live" in word:
                said += await read_until(ours, "HTTP")
                assert "127.0.0.1, account ...5678" in said
                child.send_signal(signal.SIGTERM)
            async with asyncio.timeout(DEADLINE_S):
                code = await child.wait()
            os.close(ours)
            assert code == (0 if "live" in word else 2)


async def test_a_scripted_live_start_names_the_whole_account(house, tmp_path) -> None:
    """What a supervisor's unit file holds; the mode shown is live and so is /status."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    async with live_venue(house.exchange.rest_url) as url:
        env = environment(
            house,
            LIVE_TRADING="yes-real-money",
            APCA_API_BASE_URL=url,
            PORT=str(port),
            API_TOKEN=TOKEN,
        )
        child = await asyncio.create_subprocess_exec(
            *AUTOHEDGE,
            "run",
            "--live",
            "--confirm-live",
            NUMBER,
            cwd=tmp_path,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert child.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            first = await child.stdout.readline()
        assert first.startswith(b"AutoHedge, live")
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/status")).status_code == 401
            status = (await client.get("/status", headers=headers)).json()
        assert (status["mode"], status["session"]) == ("live", "stopped")
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            await child.communicate()
        assert child.returncode == 0
