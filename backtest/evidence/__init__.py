"""Judge a run: its figures beside every baseline's, and whether the difference means anything."""
