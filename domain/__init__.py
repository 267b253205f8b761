"""Name the words of the trade: pure records and rules, no I/O, no clock, no randomness."""
