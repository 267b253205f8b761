"""What gateway and reconciler are made of: turns, write-ahead, look-ups, cancels."""
