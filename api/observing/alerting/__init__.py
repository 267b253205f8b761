"""Tell people who are away: what is worth it, once, to hooks that may be slow or dead."""
