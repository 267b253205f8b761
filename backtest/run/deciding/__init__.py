"""Who decides in a run: a policy and what it sees, or the graph, whose answers take their time."""
