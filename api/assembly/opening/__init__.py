"""Open what reaches out of the process: journal, venue, streams, model."""

from api.assembly.opening.outside import Outside, open_outside

__all__ = ["Outside", "open_outside"]
