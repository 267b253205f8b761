"""Speak Alpaca's market-data protocol: frames, connection, subscriptions, refusals."""

from feeds.alpaca.config import AlpacaFeedConfig, Channel, Codec, FeedNotice, Report
from feeds.alpaca.feed import AlpacaFeed

__all__ = ["AlpacaFeed", "AlpacaFeedConfig", "Channel", "Codec", "FeedNotice", "Report"]
