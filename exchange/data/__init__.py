"""Serve the market data API over HTTP: history, latest values, snapshots, news."""

from exchange.data.router import data_router

__all__ = ["data_router"]
