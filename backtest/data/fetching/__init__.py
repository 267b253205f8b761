"""Keep Alpaca's history as Parquet: fetched in parts, resumed after any end, read back as data."""

from backtest.data.fetching.fetcher import Fetched, Fetcher
from backtest.data.fetching.parts import Parts
from backtest.data.fetching.plan import Unit, Wanted, units_of

__all__ = ["Fetched", "Fetcher", "Parts", "Unit", "Wanted", "units_of"]
