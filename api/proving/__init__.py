"""Prove the promises: campaigns that attack a running bot, and the table of what they found."""
