"""Open what reaches out of the process: journal, venue, streams, model."""

from api.assembly.opening.outside import open_outside

__all__ = ["open_outside"]
