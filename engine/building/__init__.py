"""Build one engine of its plan and of what it stands upon; `engine` names the order."""

from engine.building.engine import Engine, build_engine
from engine.building.outside import EngineDesk, EngineJournal, Outside
from engine.building.plan import ApprovalPlan, EnginePlan

__all__ = [
    "ApprovalPlan",
    "Engine",
    "EngineDesk",
    "EngineJournal",
    "EnginePlan",
    "Outside",
    "build_engine",
]
