"""Stage the cases: each stage is a bot and an exchange of its own."""
