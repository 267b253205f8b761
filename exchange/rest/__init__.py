"""The trading API over HTTP, as Alpaca answers it."""
