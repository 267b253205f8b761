"""Remember everything, append-only and hash-chained: the record that audits and restarts read."""
