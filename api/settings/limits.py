"""Make a setting of each row of the table of limits."""

from __future__ import annotations

from typing import Any

from pydantic import Field, create_model

from api.settings.fields import YesNo
from api.settings.source import FromEnvironment
from domain.limits import LIMITS_TABLE, Limits, LimitSpec


def _limit_field(spec: LimitSpec) -> Any:
    default = spec.default
    doc = f"{spec.doc} ({spec.unit})"
    if isinstance(default, bool):
        return YesNo, Field("yes" if default else "no", description=doc)
    kind: Any = type(default)
    return kind, Field(default, description=doc, ge=spec.minimum, le=spec.maximum)


_FIELDS: dict[str, Any] = {spec.field: _limit_field(spec) for spec in LIMITS_TABLE}
LimitSettings: Any = create_model("LimitSettings", __base__=FromEnvironment, **_FIELDS)


def limits_of(read: Any) -> Limits:
    """Return the limits that were read, yes and no as what they mean."""
    values: dict[str, Any] = {}
    for spec in LIMITS_TABLE:
        value = getattr(read, spec.field)
        values[spec.field] = value == "yes" if isinstance(spec.default, bool) else value
    return Limits(**values)
