"""Trade against the venue's own matching inside this process: no socket, and no order leaves."""

from exchange.simulated.broker import SimulatedBroker, SimulatedConfig

__all__ = ["SimulatedBroker", "SimulatedConfig"]
