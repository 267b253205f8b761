"""Project the chain onto the tables that people and restarts read, in the same transaction.

Each kind of entry has one function that yields rows, each kind of row one statement. Rows are
collected over a batch and written statement by statement, so that a batch costs a few statements
whatever its size.
"""
