"""Read one model of settings; say of each wrong value which variable holds it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from api.settings.fields import HTTP, WS

_BEGINS = {HTTP: "http:// or https://", WS: "ws:// or wss://"}
_CREDENTIALS = re.compile(r"//[^/\s]*@")


def read(kind: Any, given: Mapping[str, Any], lines: list[str]) -> Any:
    """Return the model read; none when something is wrong, which is appended to `lines`."""
    try:
        known = {*kind.model_fields, "_env_file"}
        return kind(**{name: value for name, value in given.items() if name in known})
    except ValidationError as error:
        lines += [line_of(kind, each) for each in error.errors(include_url=False)]
        return None


def line_of(kind: Any, error: ErrorDetails) -> str:
    """Say which variable is wrong, what it holds, and what it may hold."""
    name = str(error["loc"][0])
    annotation = str(kind.model_fields[name].annotation)
    held = "***" if "SecretStr" in annotation else repr(error.get("input"))
    may_hold = error["msg"].removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch":
        may_hold = f"it must begin with {_BEGINS[error['ctx']['pattern']]}"
    return f"{name.upper()} is {_CREDENTIALS.sub('//***@', held)}: {may_hold}."
