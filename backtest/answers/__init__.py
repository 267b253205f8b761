"""Ask a model about history: never twice for money, within a budget, outside of event time."""

from backtest.answers.asked import Asked, Ending
from backtest.answers.cache import AnswerCache
from backtest.answers.metered import Metered

__all__ = ["AnswerCache", "Asked", "Ending", "Metered"]
