"""Tell the names of all variables."""

from __future__ import annotations

from api.settings.fields import Settings
from api.settings.limits import LimitSettings


def known_variables() -> frozenset[str]:
    """Return the names of all variables, as the environment spells them."""
    names = {*Settings.model_fields, *LimitSettings.model_fields}
    return frozenset(name.upper() for name in names)
