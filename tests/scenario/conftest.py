"""The house that scenarios live in: a local exchange, a scripted model, and a bot of real parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.proving import house


@pytest.fixture
def until() -> Callable[..., Any]:
    """The one way a scenario waits: by polling, with a deadline."""
    return house.until


@pytest.fixture
async def model() -> AsyncIterator[house.ScriptedModel]:
    """A scripted model on a loopback port; it holds until a test wants something."""
    async with house.serving(house.ScriptedModel()) as script:
        yield script


@pytest.fixture
def open_house(model: house.ScriptedModel, tmp_path: Path) -> Callable[..., Any]:
    """`async with open_house(symbols...) as house`: an exchange listing them, by default two."""
    return partial(house.open_house, model=model, folder=tmp_path)
