"""Give the journal's tests a clock, a configuration and the simplest entry."""

import pytest

from domain.ports import Entry, EntryKind
from engine.clock import ManualClock
from journal.database import JournalConfig


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def config(path):
    return JournalConfig(
        url=f"sqlite:///{path}",
        busy_timeout_s=0.02,
        retry_first_s=0.01,
        retry_last_s=0.02,
        trace_delay_s=0.01,
    )


@pytest.fixture
def alert():
    def make(n=0):
        return Entry(
            kind=EntryKind.ALERT, ref="test", body={"code": "TEST", "message": "m", "n": n}
        )

    return make
