"""LangGraph's development server with our graph, driven as Studio drives it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

ROOT = Path(__file__).parents[2]
WINDOWS = ROOT / "tests" / "golden" / "windows"
READY_WITHIN_S = 90
ENDS_WITHIN_S = 60


def saved(name: str) -> dict[str, Any]:
    """Return a golden window file, as a person would paste it."""
    file: dict[str, Any] = json.loads((WINDOWS / f"{name}.json").read_bytes())
    return file


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def without_keys() -> dict[str, str]:
    """Return the environment without any key or switch of a model, a venue or a tracer."""
    prefixes = ("OPENAI", "APCA", "LANGSMITH", "LANGCHAIN", "LANGGRAPH", "ANALYST", "LLM")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


async def ready(url: str, server: Process) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(READY_WITHIN_S):
        while server.returncode is None:
            try:
                if (await client.get(f"{url}/ok", timeout=5)).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.1)
    raise AssertionError("langgraph dev ended before it was ready; see server.log")


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Any]:
    """A client of `langgraph dev`, started with the repository's own configuration.

    The server keeps its runs in `.langgraph_api` where it stands, and a killed one leaves ghosts
    there that hang the next; so each test gets a directory of its own.
    """
    shutil.copy(ROOT / "langgraph.json", tmp_path)
    url = f"http://127.0.0.1:{(port := free_port())}"
    with (tmp_path / "server.log").open("wb") as log:
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"),
            *("--host", "127.0.0.1", "--port", str(port)),
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            env=without_keys(),
        )
    try:
        await ready(url, server)
        async with get_client(url=url, api_key=None) as client:
            yield client
    finally:
        server.terminate()
        try:
            await asyncio.wait_for(server.wait(), ENDS_WITHIN_S)
        except TimeoutError:
            server.kill()
            await server.wait()


@pytest.mark.timeout(180)
async def test_a_decision_is_stepped_through_edited_and_resumed(studio: Any) -> None:
    """Offline and without a key: a thread, a stop before quant, an edit, the way on, the history.

    One test, because the server takes seconds to start.
    """
    assistants = await studio.assistants.search()
    assert [assistant["graph_id"] for assistant in assistants] == ["decision"]
    drawing = await studio.assistants.get_graph(assistants[0]["assistant_id"])
    assert {"director", "quant", "risk", "execution"} <= {node["id"] for node in drawing["nodes"]}
    schemas = await studio.assistants.get_schemas(assistants[0]["assistant_id"])
    assert set(schemas["input_schema"]["properties"]) == {"schema", "window"}

    # A saved window pasted as input runs to its end.
    state = await studio.runs.wait(None, "decision", input=saved("order"))
    assert (state["outcome"], state["reason_code"]) == ("ordered", "OPEN")

    # A window with a missing field ends under its name.
    broken = saved("order")
    del broken["window"]["account"]["equity"]
    state = await studio.runs.wait(None, "decision", input=broken)
    assert (state["outcome"], state["reason_code"]) == ("invalid", "WINDOW_FIELD_MISSING")
    assert "window.account.equity" in state["problem"]

    # Stop before quant; a hold edited in ends the run there.
    thread = (await studio.threads.create())["thread_id"]
    await studio.runs.wait(thread, "decision", input=saved("order"), interrupt_before=["quant"])
    paused = await studio.threads.get_state(thread)
    assert paused["next"] == ["quant"]
    directive = paused["values"]["directive"]
    assert directive["action"] == "buy"
    await studio.threads.update_state(thread, {"directive": {**directive, "action": "hold"}})
    assert (await studio.threads.get_state(thread))["next"] == []

    # Edited back to a buy with other words, it goes on to the order.
    words = {**directive, "thesis": "Because I say so."}
    await studio.threads.update_state(thread, {"directive": words}, as_node="director")
    assert (await studio.threads.get_state(thread))["next"] == ["quant"]
    state = await studio.runs.wait(thread, "decision", input=None)
    assert state["outcome"] == "ordered"
    assert state["directive"]["thesis"] == "Because I say so."

    # The history tells each step, the edits among them.
    history = await studio.threads.get_history(thread, limit=50)
    steps = [past["next"] for past in history]
    for step in (["director"], ["quant"], ["risk"], ["execution"], []):
        assert step in steps
    sources = [past["metadata"]["source"] for past in history]
    assert sources.count("update") == 2
    assert history[0]["values"]["request"]["symbol"] == "ES"
