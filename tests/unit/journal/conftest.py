"""Give the journal's tests a clock, a configuration and entries of every kind."""

import pytest

from engine.clock import ManualClock
from journal.database import JournalConfig


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def config(tmp_path):
    return JournalConfig(
        url=f"sqlite:///{tmp_path}/journal.sqlite3",
        busy_timeout_s=0.05,
        retry_first_s=0.01,
        retry_last_s=0.05,
        trace_delay_s=0.01,
    )
