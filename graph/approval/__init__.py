"""Wait for a person: the interrupt node, where waiting runs are kept, and how they go on."""
