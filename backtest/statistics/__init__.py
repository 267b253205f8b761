"""Measure a run: ten figures, their intervals, and what selection among many runs does to them."""
