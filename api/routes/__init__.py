"""Serve the HTTP interface: controls, what stands now, what is on record, and the pages."""
