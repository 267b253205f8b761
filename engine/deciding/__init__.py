"""Decide who runs: due symbols, slots, budgets, and the window a run sees."""
