"""What the tests of loading share: files written by hand, and the cache of wheels."""

from pathlib import Path

import pytest

from backtest.data import Reading, load
from domain.errors import ConfigError

CACHE = Path(__file__).parents[4] / ".cache"


@pytest.fixture
def cache():
    return Reading(cache=CACHE)


@pytest.fixture
def write(tmp_path):
    """Write a CSV file of these lines."""

    def written(*lines, name="AAPL.csv"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return written


@pytest.fixture
def refused():
    """Load what must be refused, and return the error."""

    def refuse(spec, *args, **how):
        with pytest.raises(ConfigError) as told:
            load(str(spec), *args, how=Reading(**how))
        assert "\n" not in told.value.line
        assert told.value.remedy
        return told.value

    return refuse
