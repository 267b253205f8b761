"""Measure speed and memory as ratios within one run; each module with a `main` is one benchmark."""
