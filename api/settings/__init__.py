"""Read the environment and `.env`: the only package that does.

Every setting is one field of `fields` or one row of `domain.limits.LIMITS_TABLE`; `.env.example`
and the reference are printed from them (`python -m api.settings`). A wrong value is one line that
names the variable, what it holds and what it may hold. Secrets never print.
"""

from api.settings.config import Config
from api.settings.dotenv import env_file
from api.settings.fields import REAL_MONEY, Settings
from api.settings.limits import LimitSettings
from api.settings.names import known_variables
from api.settings.template import example

__all__ = [
    "REAL_MONEY",
    "Config",
    "LimitSettings",
    "Settings",
    "env_file",
    "example",
    "known_variables",
]
