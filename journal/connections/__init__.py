"""Reach the database: engines, the writing connection, and errors that a person can read."""
