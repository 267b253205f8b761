"""Read the journal: verify, export, report, replay, and compare it with the venue."""
