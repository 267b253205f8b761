"""C3: hide from a model what it could remember, and measure how well that is hidden."""
