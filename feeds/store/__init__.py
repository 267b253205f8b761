"""Keep what the market says of each symbol, in constant time a message."""

from feeds.store.config import StoreConfig
from feeds.store.rolling import RollingStore
from feeds.store.view import Glance, MarketView

__all__ = ["Glance", "MarketView", "RollingStore", "StoreConfig"]
