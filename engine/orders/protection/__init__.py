"""Keep every position behind a stop: its plan, its orders, and the targets the engine runs."""
