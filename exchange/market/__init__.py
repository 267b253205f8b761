"""Make the venue's market: seeded, played from a tape, or from bars; past and live are one line."""
