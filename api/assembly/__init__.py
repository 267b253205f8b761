"""Bring a process up from its plan and down again, leaving nothing behind."""

from api.assembly.plan import AnalystPlan, EnginePlan, Plan
from api.assembly.process import Process, running

__all__ = ["AnalystPlan", "EnginePlan", "Plan", "Process", "running"]
