"""Watch what changes outside the orders: the market, the venue's clock, equity."""
