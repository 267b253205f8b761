"""Wait as scenarios do."""

import pytest

from api.proving import house


@pytest.fixture
def until():
    """Poll a condition, with a deadline."""
    return house.until
