"""Turn the plain analyst name of a run's context into the analyst that answers.

The context crosses HTTP as JSON, so it can only name one. `rules` needs no key and is always there;
a desk adds its own for as long as it lives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from domain.errors import ConfigError
from graph.analysts.rules import Rules

if TYPE_CHECKING:
    from domain.ports import Analyst

_RULES = Rules()
_DESKS: WeakValueDictionary[str, Analyst] = WeakValueDictionary()


def enroll(analyst: Analyst) -> str:
    """Make an analyst known to this process and return the name that a context gives it.

    Two analysts may share a `name` (the same model at two endpoints), so the key is not the name.
    """
    key = f"{analyst.name}#{id(analyst):x}"
    _DESKS[key] = analyst
    return key


def resolve(key: str) -> Analyst:
    """Return the analyst of that name; raises `ConfigError` for one that nobody enrolled."""
    if key == _RULES.name:
        return _RULES
    found = _DESKS.get(key)
    if found is None:
        raise ConfigError(
            f"no analyst is called {key!r}.",
            remedy=f"Use {_RULES.name!r}, or start the desk that answers under that name.",
            code="ANALYST_UNKNOWN",
        )
    return found
