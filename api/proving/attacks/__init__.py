"""Attack the whole bot by what strangers can say, send and answer, and look at the exchange."""
