"""Read faults that people write, as JSON: one line says what is wrong and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from domain.errors import ConfigError
from exchange.faults.fault import Fault
from exchange.faults.kinds import FaultKind
from exchange.faults.plan import FaultPlan


class _PlanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    faults: list[Any]
    seed: int = 0


def read_fault(written: Any) -> Fault:
    """Read one fault; raises `ConfigError`."""
    try:
        return msgspec.convert(written, Fault)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"A fault is wrong: {error}.", remedy=_allowed(str(error)), code="FAULT_INVALID"
        ) from None


def read_plan(written: Any) -> FaultPlan:
    """Read a plan, `{"seed": 7, "faults": [...]}`; raises `ConfigError`."""
    try:
        plan = msgspec.convert(written, _PlanFile)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"The fault plan is wrong: {error}.",
            remedy='Write {"seed": 7, "faults": [{"kind": "answer_504"}]}.',
            code="FAULT_INVALID",
        ) from None
    return FaultPlan([read_fault(each) for each in plan.faults], seed=plan.seed)


def load_plan(path: Path) -> FaultPlan:
    """Read a plan's file; raises `ConfigError`, naming it."""
    try:
        written = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.", remedy="Name a fault plan's file."
        ) from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} is no JSON: {error}.", remedy="Mend the file.") from error
    return read_plan(written)


def _allowed(message: str) -> str:
    """Return what may stand where the message says that something wrong does."""
    if "$.kind" in message or "`kind`" in message:
        return f"Kinds are {', '.join(FaultKind)}."
    if "$.where" in message:
        return "A where may hold method, path, event, leg, side, symbol, stream, channel."
    return "A fault may hold kind, where, nth, chance, times, seconds."
