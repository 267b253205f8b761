"""Count what happens and, at each scrape, read how things stand.

Counters are fed by direct calls, never by the bus: the bus may lose, a counter may not. Gauges are
read from the engine when Prometheus asks, so they cost nothing in between. Every family stands in
one table, `catalogue.FAMILIES`, from which the reference is made.
"""

from engine.metrics.catalogue import FAMILIES, Family, Kind
from engine.metrics.counting import Metrics
from engine.metrics.standing import CountsCollector, StatusCollector

__all__ = ["FAMILIES", "CountsCollector", "Family", "Kind", "Metrics", "StatusCollector"]
