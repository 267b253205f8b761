"""Connections that come to hang about: each is ended, and an operator still gets in."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
import uvicorn

from api.security import ConnectionLimits, SecurityConfig, bounded

SOON = 60.0
"""Seconds within which something must have happened, however busy the machine."""


async def greet(scope, _receive, send):
    """Answer a line; /large answers more than any socket buffers."""
    if scope["type"] == "http":
        size = 64_000_000 if scope["path"] == "/large" else 2
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * size})


@asynccontextmanager
async def listening(**limits):
    """Serve `greet` with these limits; yields the port and uvicorn's set of connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            greet,
            http=bounded(ConnectionLimits(**limits)),
            lifespan="off",
            log_config=None,
            ws="none",
        )
        server = uvicorn.Server(config)
        server.config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup([listener])
        try:
            yield listener.getsockname()[1], server.server_state.connections
        finally:
            server.force_exit = True
            await server.shutdown([listener])


async def ended(reader):
    """Read to the end of a connection that the other side ends."""
    async with asyncio.timeout(SOON):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def until(condition):
    """Poll, with a deadline."""
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110 - uvicorn tells of its connections by a set alone
            await asyncio.sleep(0.01)


async def answered(port):
    """Ask once, as a new client would; return the status line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await ended(reader)
    writer.close()
    return answer.split(b"\r\n")[0]


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_head_that_never_ends_is_not_waited_for(said):
    """Slow loris: a byte now and then, for ever."""
    async with listening(head_s=0.2) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        assert await ended(reader) == b""
        writer.close()
        assert await answered(port) == b"HTTP/1.1 200 OK"


async def test_a_second_head_that_dribbles_is_not_waited_for_either():
    """uvicorn's own keep-alive clock stops with the first byte that comes."""
    async with listening(head_s=0.3) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), SOON)
        writer.write(b"G")
        assert await ended(reader) == b""
        writer.close()


async def test_pipelined_requests_are_both_answered_and_then_the_clock_runs():
    """The second head is there before the first answer ends."""
    async with listening(head_s=0.3) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        assert (await ended(reader)).count(b"200 OK") == 2
        writer.close()


async def test_a_reader_that_reads_nothing_is_let_go():
    """What it was sent fills its buffers, and then nothing of ours waits for it."""
    async with listening(stalled_s=0.2) as (port, connections):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.transport.pause_reading()
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: connections)
        await until(lambda: not connections)
        writer.transport.resume_reading()
        assert len(await ended(reader)) < 64_000_000
        writer.close()


async def test_a_large_answer_outlives_the_clock_of_the_next_head():
    """Whoever reads slowly, but reads, gets all of it."""
    async with listening(head_s=0.1) as (port, connections):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.transport.pause_reading()
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: any(each.transport.is_closing() for each in connections))
        writer.transport.resume_reading()
        assert len(await ended(reader)) > 64_000_000
        writer.close()


async def test_the_longest_idle_connection_makes_room_for_a_new_one():
    """Whoever holds all connections open still leaves the operator a way in."""
    async with listening(per_client=3, head_s=SOON) as (port, _):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert await answered(port) == b"HTTP/1.1 200 OK"
        assert await ended(held[0][0]) == b""
        for _, writer in held:
            writer.close()


async def test_a_body_that_never_comes_is_answered_and_let_go(serving):
    """408 after its deadline, and the engine was not asked."""
    desk = await serving(SecurityConfig(body_s=0.2))
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    writer.write(
        b"POST /halt HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n"
        b"Content-Type: application/json\r\n\r\n{"
    )
    answer = await asyncio.wait_for(reader.readuntil(b"}"), SOON)
    assert b"408 Request Timeout" in answer
    assert b"BODY_TOO_SLOW" in answer
    assert await desk.asked() == []
    writer.close()
