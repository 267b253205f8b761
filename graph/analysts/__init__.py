"""Answer the agents' briefs: by rules, by a language model, or from the record."""
