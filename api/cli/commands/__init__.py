"""Declare the commands: a function each, its parameters the options."""
