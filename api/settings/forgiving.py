"""Read what can be read of the settings: a kill switch must work where another value is wrong."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from api.settings.config import Config
from api.settings.dotenv import env_file_faults, is_text
from api.settings.fields import Settings
from api.settings.limits import LimitSettings, limits_of
from api.settings.reading import line_of


def read_forgiving() -> tuple[Config, dict[str, str]]:
    """Return the settings, each wrong one at its default, and by name what is wrong with it.

    What cannot stand together is not looked at: nothing is opened by who reads so. A line of `.env`
    that cannot be read, or one that misspells a setting, is told under the name `.env`.
    """
    given: dict[str, Any] = {} if is_text() else {"_env_file": None}
    faults: dict[str, str] = {}
    lines = " ".join(env_file_faults())
    if lines:
        faults[".env"] = lines
    settings = _read(Settings, given, faults)
    limits = _read(LimitSettings, given, faults)
    return Config(settings, limits_of(limits)), faults


def _read(kind: Any, given: dict[str, Any], faults: dict[str, str]) -> Any:
    """Read a model of settings; what is wrong is left at its default, and told."""
    defaults: dict[str, Any] = {}
    while True:
        try:
            return kind(**given, **defaults)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                name = str(each["loc"][0])
                faults[name.upper()] = line_of(kind, each)
                field = kind.model_fields[name]
                defaults[name] = field.get_default(call_default_factory=True)
