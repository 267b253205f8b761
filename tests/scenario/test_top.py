"""`autohedge top` in a real terminal (a pty), against a bot of real parts over HTTP."""

import asyncio
import json
import signal
import socket
import termios
from contextlib import asynccontextmanager

import pytest

from api.app import create_app, server_config
from api.cli.main import Exit, app, run
from api.cli.running.serving import _Server
from api.proving.house import PAIR, STOCK
from api.security import SecurityConfig


@pytest.fixture
def terminal(open_terminal):
    """`terminal(url, columns, lines)` opens `autohedge top` in one."""

    def start(url, columns=80, lines=24, **settings):
        command = ("top", "--url", url)
        return open_terminal(*command, columns=columns, lines=lines, **settings)

    return start


@asynccontextmanager
async def served(process, *, port=0, security=None):
    """Serve a bot over HTTP; yields where."""
    app = create_app(
        process.bot, security=security or SecurityConfig(), bus=process.bus,
        registry=process.registry,
    )  # fmt: skip
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        port = listening.getsockname()[1]
        server = _Server(server_config(app, host="127.0.0.1", port=port))
        task = asyncio.create_task(server.serve([listening]))
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            app.state.stream.close()
            server.should_exit = True
            await task


async def test_top_shows_a_trade_a_halt_and_a_restart(open_house, until, terminal):
    """What a person at a server without a browser sees, from the first look to leaving."""
    async with open_house() as house, house.bot() as process:
        house.model.wants[PAIR] = "buy"
        async with served(process) as url:
            wide, narrow = terminal(url), terminal(url, columns=40, lines=14)
            await until(lambda: house.held(PAIR) > 0, what="the venue holds a position")
            house.model.wants[PAIR] = "hold"
            await until(
                lambda: wide.shows("trading ACTIVE", STOCK, "POSITION", "venue", "CAME TO", "held"),
                what="state, symbols, the position with its protection, the decision",
            )
            await process.bot.halt(actor="ann", reason="lunch")
            await until(lambda: wide.shows("HALTED OPERATOR", "lunch"), what="state and reason")
            await until(lambda: narrow.shows("HALTED OPERATOR", PAIR), what="the narrow one too")
            assert len(wide.frame) <= 24
            assert max(map(len, wide.frame)) <= 80
            assert len(narrow.frame) <= 14
            assert max(map(len, narrow.frame)) <= 40
            wide.type("h")
            await until(lambda: wide.shows("this help, and back"), what="help")
            wide.type("h")
        await until(lambda: wide.shows("NOT CONNECTED", "HALTED"), what="it says that it is old")
        async with served(process, port=int(url.rpartition(":")[2])):
            await until(
                lambda: not wide.shows("NOT CONNECTED") and wide.shows("HALTED"), what="it is back"
            )
            wide.type("q")
            await until(wide.ended, what="q leaves")
            narrow.child.send_signal(signal.SIGINT)
            await until(narrow.ended, what="Ctrl-C leaves")
    assert wide.child.returncode == narrow.child.returncode == 0
    assert wide.raw.endswith("\x1b[?25h\x1b[?1049l")  # the cursor and the old screen are back
    assert termios.tcgetattr(wide._theirs)[3] == wide.before[3]


async def test_top_says_what_to_do_when_nobody_answers_or_lets_it_in(
    open_house, until, terminal, monkeypatch, capsys
):
    """No bot, and a bot that wants a token."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nowhere = f"http://127.0.0.1:{gone.getsockname()[1]}"
    alone = terminal(nowhere)
    await until(lambda: alone.shows("No answer", "Waiting for a bot at"), what="it waits")
    security = SecurityConfig(token="t" * 16, read_token="r" * 16)
    async with (
        open_house() as house,
        house.up() as process,
        served(process, security=security) as url,
    ):
        outside = terminal(url)
        await until(lambda: outside.shows("API_TOKEN_READ"), what="it names the token")
        inside = terminal(url, API_TOKEN_READ="r" * 16, NO_COLOR="1")
        await until(lambda: inside.shows("HALTED NEVER_STARTED"), what="it is let in")
        assert "\x1b[1;31m" not in inside.raw
        monkeypatch.setenv("API_TOKEN_READ", "r" * 16)
        assert await asyncio.to_thread(_once, url) == Exit.WELL
        shown = json.loads(capsys.readouterr().out)
        assert shown["status"]["trading_code"] == "NEVER_STARTED"
    assert await asyncio.to_thread(_once, nowhere) == Exit.UNREACHABLE
    told = capsys.readouterr().err
    assert "BOT_SILENT" in told
    assert len(told.splitlines()) == 1


def _once(url):
    return run(lambda: app(["top", "--url", url, "--json"]))
