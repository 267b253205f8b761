"""Say where HTTP listens: who serves there needs it, and who only asks there needs nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlsplit

from api.security import SecurityConfig
from api.settings import Config
from domain.errors import ConfigError

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


def address_of(url: str, config: Callable[[], Config] = Config.read) -> str:
    """Return where a bot is asked: at `url`, or where the settings have it listen.

    Raises `ConfigError` for what is no address.
    """
    if not url:
        return door_of(config()).reachable.url
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigError(f"--url {url[:80]!r} is no address.", remedy="Write http://HOST:PORT.")
    return url.rstrip("/")
