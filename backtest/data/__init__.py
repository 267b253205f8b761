"""Load market history as series, and say what is wrong with it before anybody believes it."""

from backtest.data.align import align, between, windows
from backtest.data.candles import resample
from backtest.data.loading import load, stream
from backtest.data.remarks import DataWarning, RowRef
from backtest.data.sources import Reading
from backtest.data.ticks import Moment

__all__ = [
    "DataWarning",
    "Moment",
    "Reading",
    "RowRef",
    "align",
    "between",
    "load",
    "resample",
    "stream",
    "windows",
]
