"""Stop what works at the venue: sweeps that are measured, and a halt that outlives processes."""
