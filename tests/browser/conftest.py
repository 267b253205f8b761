"""A real Chromium that looks at a real bot: one browser for all, one bot a module."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import async_playwright

from api.app import create_app, server_config
from api.proving import house
from api.security import SecurityConfig

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "Chromium is not installed: apt-get install chromium"
WAIT_MS = 20_000
DESKTOP = {"viewport": {"width": 1440, "height": 900}}


def executable():
    """Return the system's browser, or none; Playwright's own is never downloaded."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium():
    """Start the browser once; where none is installed CI fails and others skip."""
    found = executable()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{MISSING} (.ci/run does it)", pytrace=False)
        pytest.skip(MISSING)
    async with async_playwright() as playwright:
        # Chromium refuses to sandbox itself for root, as CI's containers run.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        yield await playwright.chromium.launch(executable_path=found, args=flags)


class Watcher:
    """Open pages, each in a profile of its own, and keep what their consoles complain of."""

    def __init__(self, chromium, stack):
        self._chromium = chromium
        self._stack = stack
        self.complaints = []

    async def open(self, url, **options):
        """Return a page that shows `url`; with `permissions` and the like for its context."""
        context = await self._chromium.new_context(**(DESKTOP | options))
        self._stack.push_async_callback(context.close)
        page = await context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(url)
        return page

    def _heard(self, message):
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def forgive(self, pattern):
        """Forget complaints that a test provokes, such as of a server that is gone."""
        self.complaints = [each for each in self.complaints if not re.search(pattern, each)]


@pytest_asyncio.fixture(loop_scope="session")
async def watcher(chromium):
    """Open pages for one test; a console that complains fails it."""
    async with AsyncExitStack() as stack:
        watching = Watcher(chromium, stack)
        yield watching
        assert watching.complaints == []


class _Server(uvicorn.Server):
    def __init__(self, config):
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.listens.set()

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@asynccontextmanager
async def door(process, port=0, **security):
    """Serve a bot's HTTP as it is served; yields its address."""
    config = SecurityConfig(**security)
    app = create_app(process.bot, security=config, bus=process.bus, registry=process.registry)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with listener:
        listener.bind(("127.0.0.1", port))
        server = _Server(server_config(app, host="127.0.0.1", port=listener.getsockname()[1]))
        serving = asyncio.create_task(server.serve([listener]))
        try:
            await asyncio.wait_for(server.listens.wait(), 20)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            app.state.stream.close()
            server.should_exit = True
            await serving


class Desk:
    """A bot whose session nobody has started yet, with its house and the address of its desk."""

    def __init__(self, home, process):
        self.house = home
        self.process = process
        self.model = home.model
        self.url = ""
        self.door = door

    @property
    def status(self):
        return self.process.bot.status()


@asynccontextmanager
async def open_desk(folder: Path, **settings):
    """Put up a house, a bot in it, and its door."""
    async with (
        house.serving(house.ScriptedModel()) as model,
        house.open_house(model=model, folder=folder) as home,
        home.up(**settings) as process,
    ):
        yield Desk(home, process)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(request, chromium, tmp_path_factory):
    """One bot a module, with the settings that the module names in `SETTINGS`."""
    del chromium  # where there is no browser, no bot is put up either
    folder = tmp_path_factory.mktemp("desk")
    async with (
        open_desk(folder, **getattr(request.module, "SETTINGS", {})) as found,
        door(found.process) as found.url,
    ):
        yield found
