"""Play what was recorded: tapes of real ticks, or bars from a file."""
