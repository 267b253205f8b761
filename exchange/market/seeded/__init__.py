"""Draw a market from a seed: a price path, its ticks, its notices, its past."""
