"""Decide: four agents argue one trade, and the graph says who speaks next."""
