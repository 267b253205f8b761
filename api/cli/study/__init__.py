"""Study what was journaled: ask it again at scale, and hold a simulation against it."""
