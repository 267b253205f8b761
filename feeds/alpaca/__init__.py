"""Speak Alpaca's market-data protocol: frames, connection, subscriptions, refusals."""
