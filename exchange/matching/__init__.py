"""Matching without I/O: orders against the national best bid and offer, and the accounts behind."""
