"""Serve one running bot over HTTP until a signal, and say what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvicorn
from rich.console import Console

from api.app import create_app, server_config
from api.assembly import Plan, Process, running
from api.assembly.beside.deadman import dead_man
from api.cli.running.door import Door
from domain.errors import ConfigError
from domain.ports import Clock
from engine.control import ControlRefused
from engine.deadman.heart import Heart

_DRAIN_S = 5.0
_COLLECTOR = (50_000, 20, 50)
"""How many new objects call for each generation's collection: the default suits small heaps."""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What to serve: the plan, the door, whether to start at once, and what to print when up."""

    plan: Plan
    door: Door
    actor: str = "autohedge"
    is_started: bool = False
    clock: Clock | None = None
    banner: Callable[[Process], None] = lambda _process: None


async def serve(serving: Serving, out: Console) -> None:
    """Come up, serve until SIGINT or SIGTERM, then stop as `/stop` does."""
    serving.door.security.check_bind(serving.door.host)
    with _listening(serving.door) as listener:
        async with running(serving.plan, clock=serving.clock) as process:
            told = _told_to_end()
            app = create_app(
                process.bot,
                security=serving.door.security,
                bus=process.bus,
                registry=process.registry,
            )
            door = serving.door
            server = _Server(server_config(app, host=door.host, port=door.port))
            http = asyncio.create_task(server.serve([listener]), name="http")
            async with dead_man(serving.plan, process.notify) as heart:
                try:
                    await _start(serving, process, out)
                    calm_collector()
                    serving.banner(process)
                    _say_who_watches(heart, serving.plan, out)
                    await _until(told, http)
                finally:
                    app.state.stream.close()
                    server.should_exit = True
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_DRAIN_S):
                            await http
                await process.bot.stop(actor="signal", reason="the process was told to end")
            say_what_is_left(process, out)


def _say_who_watches(heart: Heart | None, plan: Plan, out: Console) -> None:
    """Name the dead-man, so that a person who meets its process knows what it is."""
    if heart is not None and heart.ready is not None:
        ready = heart.ready
        out.print(
            f"  dead-man  pid {ready.pid}, {ready.memory_mb:.0f} MB: cancels working entries after "
            f"{plan.deadman_s:g} s of our silence"
        )


async def _start(serving: Serving, process: Process, out: Console) -> None:
    """Start the session if it is to start by itself; one that is halted is served halted.

    Its positions are guarded all the same, and the person who resumes it finds HTTP.
    """
    if not serving.is_started:
        return
    try:
        await process.bot.start(actor=serving.actor, reason="started with the process")
    except ControlRefused as refused:
        out.print(f"Not started. {refused.line}")


def calm_collector() -> None:
    """Take what is loaded by now out of the garbage collector's sight, and let it look less often.

    A decision makes thousands of objects that die by themselves; walking all of LangGraph and
    pydantic for them costs a decision a fifth more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTOR)


def say_what_is_left(process: Process, out: Console) -> None:
    """Print each position with what protects it now that nobody watches."""
    positions = process.bot.positions()
    if not positions:
        out.print("Stopped. No position is open.")
    for position in positions:
        stop = f"stop at {position.stop_price}" if position.stop_price else "no stop"
        out.print(
            f"Stopped. {position.symbol}: {position.quantity}, protected by "
            f"{position.protected_by} ({stop})."
        )


class _Server(uvicorn.Server):
    """A server that leaves signals to the process: stopping trading comes before stopping HTTP."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@contextlib.contextmanager
def _listening(door: Door) -> Iterator[socket.socket]:
    """Take the port first, so that a port in use is one line and nothing was started."""
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    # asyncio sends at once (TCP_NODELAY) only on sockets that name their protocol: without it each
    # answer waits 40 ms for the acknowledgement of its head.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((door.host, door.port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"{door.host}:{door.port} cannot be used: {error.strerror}.",
            remedy="Set PORT (or --port) to a free one, or end what holds it.",
            code="PORT_IN_USE",
        ) from error
    with listener:
        yield listener


def _told_to_end() -> asyncio.Event:
    """Return what SIGINT or SIGTERM set: from here on no signal ends us without a stop."""
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    return told


async def _until(told: asyncio.Event, http: asyncio.Task[None]) -> None:
    """Wait until we are told to end, or the server ends by itself."""
    waiting = asyncio.create_task(told.wait())
    try:
        await asyncio.wait({waiting, http}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
