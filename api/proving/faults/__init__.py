"""Strike a real bot with every fault at every step of an order's life."""
