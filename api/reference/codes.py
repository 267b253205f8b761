"""Write the reference of denial codes."""

from __future__ import annotations

from api.reference.markdown import MADE, table
from domain.limits import BINDS, LIMITS_TABLE, Code
from domain.limits.meanings import MEANINGS

_INTRO = f"""# Denial codes

{MADE}

An order is *denied* by our own limits before it leaves, and *rejected* by the venue after. A denial
is a value with one of these stable names: it stands in `/decisions`, in `/orders`, in the journal,
in the metric `autohedge_orders_denied_total`, and as `?code=` finds decisions. What each limit may
be set to stands in [limits.md](../limits.md).
"""


def codes_page() -> str:
    """Return the page as Markdown."""
    rows = table(("Code", "Binds", "Means", "What to do", "Settings"), map(_row, Code))
    return f"{_INTRO}\n{rows}"


def _row(code: Code) -> tuple[str, ...]:
    binds = ", ".join(purpose.value for purpose, codes in BINDS.items() if code in codes)
    settings = ", ".join(f"`{row.setting}`" for row in LIMITS_TABLE if row.code is code)
    meaning = MEANINGS[code]
    return f"`{code}`", binds, meaning.what, meaning.remedy, settings
