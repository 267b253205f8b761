"""Read strangers' tables: which column is which, what time a text means, which row is broken."""
