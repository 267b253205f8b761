"""Knock at every door of a running bot, with every key but the right one."""
