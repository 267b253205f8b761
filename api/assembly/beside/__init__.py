"""Stand beside the bot: its dead-man, and commands that act or look while it runs or hangs."""
