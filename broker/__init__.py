"""Act at Alpaca: orders and account over REST, order events over its websocket."""
