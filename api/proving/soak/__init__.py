"""Let a bot live through hours at speed, with faults on, and see what stays behind."""
