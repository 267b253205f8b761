"""Control: HTTP, the command line, settings, Studio, and the one place where parts meet."""
