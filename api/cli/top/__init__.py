"""Show a running bot in a terminal, live, over its HTTP."""
