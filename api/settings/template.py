"""Print `.env.example` from the fields themselves."""

from __future__ import annotations

from decimal import Decimal

from pydantic.fields import FieldInfo

from api.settings.fields import Settings
from api.settings.limits import LimitSettings


def example() -> str:
    """Return `.env.example`: every variable, its default and one line each."""
    lines = [
        "# AutoHedge's settings: copy to .env and change what you need. Every line is a default.",
        "# Made by: python -m api.settings > .env.example",
    ]
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        group = extra.get("group") if isinstance(extra, dict) else ""
        if group:
            lines += ["", f"## {group}"]
        lines += _example_lines(name, field)
    lines += ["", "## Limits: no model can move them"]
    for name, field in LimitSettings.model_fields.items():
        lines += _example_lines(name, field)
    return "\n".join(lines) + "\n"


def _example_lines(name: str, field: FieldInfo) -> list[str]:
    default = field.default
    shown = "" if default in (None, ()) else str(default)
    if isinstance(default, Decimal | float | int):
        shown = f"{default}"
    return [f"# {field.description}", f"{name.upper()}={shown}"]
