"""The market of a run: the loop that lives on its time, what is played, where orders meet it."""
