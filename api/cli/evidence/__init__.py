"""`autohedge evidence`: put rules and baselines to real data, and write the page."""
