"""Ask the journaled questions again, and count which decisions change."""
