"""Hold a simulation against what really happened, decision by decision."""
