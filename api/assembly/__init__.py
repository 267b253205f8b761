"""Bring a process up from its plan and down again, leaving nothing behind."""

from api.assembly.plan import AnalystPlan, Plan
from api.assembly.process import Process, running
from engine.building import EnginePlan

__all__ = ["AnalystPlan", "EnginePlan", "Plan", "Process", "running"]
