"""Build one engine of its plan and of what reaches out; `engine` names the order."""

from api.assembly.building.engine import Engine, build_engine

__all__ = ["Engine", "build_engine"]
