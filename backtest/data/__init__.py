"""Load market history as series, and say what is wrong with it before anybody believes it."""

from backtest.data.loading import Reading, load
from backtest.data.remarks import DataWarning, RowRef

__all__ = ["DataWarning", "Reading", "RowRef", "load"]
