"""See the market: Alpaca's streams and history, tapes, and the rolling store they fill."""
