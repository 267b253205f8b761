"""Write the reference of limits."""

from __future__ import annotations

from api.reference.markdown import MADE, table
from domain.limits import BINDS, LIMITS_TABLE, LOWERS_TO, Code, LimitSpec, Trip
from domain.orders import Purpose
from engine.watching.tripwires import ADVICE, PASSING

_INTRO = f"""# Limits

{MADE}

No model can move a limit. Every order is held against them on fresh facts in the step that reserves
it, with working orders counted as filled; what is missing or makes no sense denies. An order is
never made smaller to fit: it is denied, with a stable code.
"""

_CODES = """
## Codes and what they bind

`entry` opens; `reduce` is a close that the agents decided; `protect` (stops and targets) and
`flatten` go whatever else is down. Codes marked *passing* speak of how things stand, not of what an
order asks for: they do not count towards `CONSECUTIVE_DENIALS`.
"""

_TRIPS = """
## What lowers trading by itself

`reducing` lets the agents close and nothing open; `halted` leaves protection, cancel and flatten.
Working entries are cancelled. Only a person raises trading, by `POST /resume` with the code; what
then still passes its limit lowers it again at once. A restart, a stop or a halt takes no trip back.
A transfer is neither a profit nor a loss.
"""


def limits_page() -> str:
    """Return the whole page as Markdown."""
    parts = [
        _INTRO,
        table(
            ("Setting", "Default", "Unit", "May hold", "Code", "What"), map(_limit, LIMITS_TABLE)
        ),
        _CODES,
        table(("Code", *Purpose, "passing"), map(_code, Code)),
        _TRIPS,
        table(("Code", "Lowers to", "Settings", "What to do first"), map(_trip, Trip)),
    ]
    return "\n".join(parts)


def _limit(row: LimitSpec) -> tuple[str, ...]:
    default: object = row.default
    span = f"{row.minimum:g} to {row.maximum:g}"
    if isinstance(default, bool):
        default, span = "yes" if default else "no", "yes, no"
    code = row.code or row.trip
    named = f"`{code}`" if code is not None else "shapes orders"
    return f"`{row.setting}`", f"{default}", row.unit, span, named, row.doc


def _code(code: Code) -> tuple[str, ...]:
    marks = ("x" if code in BINDS[purpose] else "" for purpose in Purpose)
    return f"`{code}`", *marks, "x" if code in PASSING else ""


def _trip(trip: Trip) -> tuple[str, ...]:
    rows = ", ".join(f"`{row.setting}`" for row in LIMITS_TABLE if row.trip is trip)
    return f"`{trip}`", LOWERS_TO[trip].value, rows, f"{ADVICE[trip]}."
