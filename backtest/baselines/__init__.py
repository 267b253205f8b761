"""Trade by simple rules, so that an analyst has something to be better than."""
