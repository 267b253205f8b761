"""Show the snapshot until a person leaves: `autohedge top`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from api.cli.running.door import address_of
from api.cli.shell import BotSilent
from api.cli.top.asking import Asker
from api.cli.top.drawing import draw
from api.cli.top.snapshot import Snapshot
from api.settings import Config

_FRAMES_PER_S = 4
_LEAST_WIDTH, _LEAST_HEIGHT = 20, 6


@dataclass(frozen=True, kw_only=True)
class TopOptions:
    """What the person typed."""

    url: str = ""
    once: bool = False
    as_json: bool = False


def run_top(options: TopOptions) -> None:
    """Show until q or Ctrl-C; once where there is no terminal. Raises `BotSilent` then."""
    config = Config.read()
    security = config.security
    token = security.token or security.read_token or security.trade_token
    snapshot = Snapshot(url=address_of(options.url, lambda: config))
    out = Console(highlight=False)
    if options.once or options.as_json or not (out.is_terminal and sys.stdin.isatty()):
        _show_once(snapshot, token, out, as_json=options.as_json)
    else:
        asyncio.run(_show(snapshot, token, out))


def _show_once(snapshot: Snapshot, token: str | None, out: Console, *, as_json: bool) -> None:
    async def ask() -> None:
        await Asker(snapshot, token).once()

    asyncio.run(ask())
    if snapshot.fault:
        raise BotSilent(
            f"{snapshot.url}: {snapshot.fault}",
            remedy="Start it with `autohedge run` or `autohedge demo`, or set PORT or --url.",
        )
    if as_json:
        out.print_json(msgspec.json.encode(snapshot.plain()).decode())
        return
    for line in draw(snapshot, width=out.width, height=max(out.height, 24))[:-1]:
        if line.plain.strip():
            out.print(line, no_wrap=True)


class _Screen:
    """The lines for the terminal's size of the moment; rich asks for them at each frame."""

    def __init__(self, snapshot: Snapshot, out: Console) -> None:
        self._snapshot = snapshot
        self._out = out
        self.is_help = False

    def __rich__(self) -> Text:
        width = max(self._out.width, _LEAST_WIDTH)
        height = max(self._out.height, _LEAST_HEIGHT)
        lines = draw(self._snapshot, width=width, height=height, is_help=self.is_help)
        return Text("\n", no_wrap=True, overflow="crop").join(lines)


async def _show(snapshot: Snapshot, token: str | None, out: Console) -> None:
    screen, left, loop = _Screen(snapshot, out), asyncio.Event(), asyncio.get_running_loop()

    def pressed() -> None:
        for key in os.read(sys.stdin.fileno(), 64).decode(errors="replace"):
            if key in "qQ\x03\x04":
                left.set()
            elif key in "hH?":
                screen.is_help = not screen.is_help
        live.update(screen, refresh=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, left.set)
    live = Live(screen, console=out, screen=True, refresh_per_second=_FRAMES_PER_S)
    with _keys(), live:
        loop.add_reader(sys.stdin.fileno(), pressed)
        asking = asyncio.create_task(Asker(snapshot, token).run())
        waiting = asyncio.create_task(left.wait())
        try:
            await asyncio.wait({asking, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                asking.result()
        finally:
            loop.remove_reader(sys.stdin.fileno())
            for task in (asking, waiting):
                task.cancel()
            await asyncio.gather(asking, waiting, return_exceptions=True)


@contextmanager
def _keys() -> Iterator[None]:
    """Hear single keys, and put the terminal back as it was, whatever happens."""
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
