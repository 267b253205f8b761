"""Write for operators, without secrets: log lines, and what is taken out of every line."""
