"""Pretend to be Alpaca: REST and websockets in its own protocol over a pure matching engine."""
