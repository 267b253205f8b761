"""Cancel working entries when the engine stops beating: one child process, unable to order."""
