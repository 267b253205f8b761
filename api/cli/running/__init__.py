"""Run the bot, the local exchange or both, and halt what runs."""
