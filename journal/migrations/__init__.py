"""Hold the journal's migrations; `journal.migrate` runs them when a journal is opened."""
