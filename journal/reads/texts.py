"""Search in what agents wrote: JSON within an entry's body, in each database's own words."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from journal import schema

_ESCAPE = "\\"


class _Thesis(FunctionElement[str]):
    """The Director's thesis in the body of a decision's entry; null when it said nothing."""

    type = sa.String()
    inherit_cache = True


@compiles(_Thesis, "sqlite")
def _in_sqlite(element: _Thesis, compiler: Any, **options: Any) -> str:
    body = compiler.process(element.clauses, **options)
    return f"json_extract(CAST({body} AS TEXT), '$.decision.directive.thesis')"


@compiles(_Thesis, "postgresql")
def _in_postgresql(element: _Thesis, compiler: Any, **options: Any) -> str:
    body = compiler.process(element.clauses, **options)
    return f"(convert_from({body}, 'UTF8')::json #>> '{{decision,directive,thesis}}')"


def says(text: str) -> sa.ColumnElement[bool]:
    """Ask for entries of decisions whose thesis holds a text, whatever its case; no wildcards."""
    escaped = text
    for sign in (_ESCAPE, "%", "_"):
        escaped = escaped.replace(sign, _ESCAPE + sign)
    return _Thesis(schema.entries.c.body).ilike(f"%{escaped}%", escape=_ESCAPE)
