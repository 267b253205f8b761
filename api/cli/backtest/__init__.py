"""Run a backtest from the command line: data, analyst, costs, and what is told of it."""
