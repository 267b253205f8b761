"""Run the loop: dispatcher, limiter, gateway, exits, reconciliation, session, under one clock."""
