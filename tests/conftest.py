"""Start what tests of every kind share: a PostgreSQL server of their own."""

from __future__ import annotations

import os
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from xdist.scheduler import LoadGroupScheduling

from benchmarks import postgresql

TOGETHER = ("tests/browser/", "tests/documents/")
"""Folders whose tests share what is dear (a browser, a demo): each runs whole in one worker."""


class Together(LoadGroupScheduling):
    """Hand tests out one by one, but those of a folder in `TOGETHER` to one worker.

    `xdist_group` says the same by a mark, and is lost: xdist 3.8 writes the group behind an item's
    name where pytest 9.2 no longer reads it, and says nothing.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Schedule as above, whatever `--dist` says."""
    return Together(config, log)


@pytest.fixture(scope="session")
def postgresql_server():
    """A real server, started once a worker; where none is installed CI fails and others skip."""
    if postgresql.binaries() is None:
        if os.environ.get("CI"):
            pytest.fail(f"{postgresql.MISSING} (.ci/run does it)", pytrace=False)
        pytest.skip(postgresql.MISSING)
    with postgresql.server() as server:
        yield server


@pytest.fixture
async def postgresql_url(postgresql_server):
    """The address of a new, empty database."""
    name = f"test_{uuid.uuid4().hex}"
    await _administer(postgresql_server, f"CREATE DATABASE {name}")
    yield postgresql_server.url(name)
    await _administer(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


async def _administer(server, statement):
    url = sa.make_url(server.url()).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(sa.text(statement))
    await engine.dispose()
