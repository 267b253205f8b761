"""Kill a busy bot at drawn points of an order's way, restart it, and compare with the venue."""
