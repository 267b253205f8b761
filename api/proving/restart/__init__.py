"""Restart a bot that has a long past and many working orders, and time it."""
