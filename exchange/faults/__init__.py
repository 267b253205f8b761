"""Things going wrong on purpose: the seam they enter by, and the plan that says what and when."""

from exchange.faults.armed import Strike
from exchange.faults.fault import Fault, Where
from exchange.faults.kinds import FaultKind, Seam
from exchange.faults.plan import FaultPlan
from exchange.faults.reading import load_plan, read_plan
from exchange.faults.seam import Answer, Faults, Request

__all__ = [
    "Answer",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "Faults",
    "Request",
    "Seam",
    "Strike",
    "Where",
    "load_plan",
    "read_plan",
]
