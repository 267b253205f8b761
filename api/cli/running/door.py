"""Say where HTTP listens: who serves there needs it, and who only asks there needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from api.security import SecurityConfig
from api.settings import Config

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what it is, not where to listen


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where HTTP listens and who may come in."""

    host: str
    port: int
    security: SecurityConfig

    @property
    def reachable(self) -> Self:
        """Return the door as this machine reaches it: "everywhere" is no address to ask."""
        return replace(self, host=_EVERYWHERE.get(self.host, self.host))

    @property
    def url(self) -> str:
        """Return the address a person opens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def door_of(config: Config) -> Door:
    """Return where HTTP listens, by the settings."""
    settings = config.settings
    return Door(host=settings.host, port=settings.port, security=config.security)
