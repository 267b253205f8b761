"""Hold bars against what bars must be: ordered, priced, complete, and of one thing all along."""

from backtest.data.checks.gaps import Hours
from backtest.data.checks.series import checked

__all__ = ["Hours", "checked"]
