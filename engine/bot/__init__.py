"""Answer for the whole bot: what a person may ask of it, and how it stands."""

from engine.bot.face import MANUAL_TRADE, Bot
from engine.bot.gauges import Gauges, Sources
from engine.bot.notices import Notices
from engine.bot.parts import BotConfig, Parts

__all__ = ["MANUAL_TRADE", "Bot", "BotConfig", "Gauges", "Notices", "Parts", "Sources"]
