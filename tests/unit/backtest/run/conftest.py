"""Made-up bars and the specs that run on them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backtest.records import RunSpec, Series

sys.path.insert(0, str(Path(__file__).parent))
from walks import Buyer, series_of, spec_of, walk


@pytest.fixture
def bars() -> Callable[..., Series]:
    """`bars(symbol, closes, interval_s)`."""
    return series_of


@pytest.fixture
def random_walk() -> Callable[..., Series]:
    """`random_walk(symbol, n, seed=, interval_s=)`."""
    return walk


@pytest.fixture
def spec() -> Callable[..., RunSpec]:
    """`spec(*series, analyst=, **changes)`."""
    return spec_of


@pytest.fixture
def buyer() -> Buyer:
    """An analyst that buys whenever it is asked."""
    return Buyer()
