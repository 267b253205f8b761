"""Write the reference of settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from api.reference.markdown import MADE, code, table
from api.settings import Settings

_INTRO = f"""# Settings

{MADE}

Settings are read once, at the start, from the environment and from `.env` beside it; the
environment wins. `autohedge init` writes a `.env`, [.env.example](../../.env.example) is one with
every default, and limits have [a page of their own](../limits.md). A wrong value is one line that
names the variable, what it holds and what it may hold; the exit code is 2. Secrets never print.
"""

_BOUNDS = {"ge": "{} or more", "gt": "above {}", "le": "at most {}", "lt": "below {}"}


def settings_page() -> str:
    """Return the page as Markdown."""
    parts, rows = [_INTRO], list[tuple[str, ...]]()
    for name, field in Settings.model_fields.items():
        group = _group(field)
        if group:
            parts += _closed(rows)
            parts.append(f"## {group}\n")
        rows.append(_row(name, field))
    return "\n".join([*parts, *_closed(rows)])


def _closed(rows: list[tuple[str, ...]]) -> list[str]:
    """Return the table of the rows so far, and begin anew."""
    if not rows:
        return []
    made = table(("Variable", "Default", "May hold", "What"), rows)
    rows.clear()
    return [made]


def _group(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get("group", "")) if isinstance(extra, dict) else ""


def _row(name: str, field: FieldInfo) -> tuple[str, ...]:
    default = "" if field.default in {None, ()} else code(field.default)
    return f"`{name.upper()}`", default, _may_hold(field), str(field.description)


def _may_hold(field: FieldInfo) -> str:
    annotation = str(field.annotation)
    if "SecretStr" in annotation:
        return "a secret"
    choices = _choices(field.annotation)
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    bounds = " and ".join(_bounds(field))
    if bounds:
        kind = "whole number" if "int" in annotation else "number"
        return f"{kind}, {bounds}"
    return "a list, by commas" if "tuple" in annotation else "text"


def _choices(annotation: Any) -> tuple[str, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _bounds(field: FieldInfo) -> Iterator[str]:
    for each in field.metadata:
        for name, text in _BOUNDS.items():
            bound = getattr(each, name, None)
            if bound is not None:
                yield text.format(bound)
