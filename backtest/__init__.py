"""Prove: the same engine on a virtual clock, and what keeps its user from fooling himself."""
