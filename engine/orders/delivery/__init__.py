"""What the gateway is made of: turns, write-ahead, look-ups, cancels. None of it sends."""
