"""Talk to a language model: what is asked, what may go wrong, what it costs."""
