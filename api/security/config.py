"""Say who may ask, and how much; settings that would open the door do not become one."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterator
from typing import NamedTuple

from api.security.access import GRANTS, Access
from domain.errors import ConfigError
from domain.records import Record

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
MIN_TOKEN = 16


class Pass(NamedTuple):
    """What a token that was recognised is called, and what it opens."""

    name: str
    grants: frozenset[Access]


NOBODY_ASKED = Pass("", GRANTS[Access.FULL])
"""Without any token this machine may do everything."""


class SecurityConfig(Record, frozen=True):
    """Who may ask, and how much. `hosts` are names beside loopback's under which we are called.

    `token` opens everything, each other one its own scope. Rates are (requests a second, burst);
    `open_rate` is for what needs no token, so that strangers cannot use up the readers'. Tokens
    never print.
    """

    token: str | None = None
    read_token: str | None = None
    trade_token: str | None = None
    approve_token: str | None = None
    hosts: tuple[str, ...] = ()
    max_in_flight: int = 64
    max_body: int = 64 * 1024
    body_s: float = 10.0
    open_rate: tuple[float, int] = (20, 100)
    read_rate: tuple[float, int] = (50, 200)
    control_rate: tuple[float, int] = (2, 20)
    protective_rate: tuple[float, int] = (2, 20)

    def __post_init__(self) -> None:
        """Refuse tokens that could be guessed or confused, and public names without a token."""
        for name, token, _ in self._tokens():
            if len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable():
                raise ConfigError(
                    f"{name} must be {MIN_TOKEN} or more visible ASCII characters.",
                    remedy="Make one: openssl rand -hex 24.",
                )
        given = [token for _, token, _ in self._tokens()]
        if len(set(given)) < len(given):
            raise ConfigError(
                "Two of API_TOKEN, API_TOKEN_READ, API_TOKEN_TRADE, API_TOKEN_APPROVE are equal.",
                remedy="Give each its own: openssl rand -hex 24.",
            )
        if self.hosts and not given:
            raise ConfigError(
                f"API_HOSTS names {', '.join(self.hosts)}, but there is no API_TOKEN.",
                remedy="Set API_TOKEN, or leave API_HOSTS empty.",
            )

    def __repr__(self) -> str:
        tokens = ", ".join(name for name, _, _ in self._tokens()) or "none"
        return f"SecurityConfig(tokens={tokens}, hosts={self.hosts})"

    @property
    def has_tokens(self) -> bool:
        """Tell whether every request but the open ones needs a token."""
        return any(True for _ in self._tokens())

    def check_bind(self, host: str) -> None:
        """Refuse to listen beyond this machine without a token; raises `ConfigError`."""
        if not self.has_tokens and not is_loopback(host):
            raise ConfigError(
                f"HOST is {host}, which others can reach, but there is no API_TOKEN.",
                remedy="Set API_TOKEN, or HOST=127.0.0.1.",
                code="TOKEN_MISSING",
            )

    def recognise(self, given: str) -> Pass | None:
        """Return what a token opens, in a time that tells nothing about ours."""
        digest = hashlib.sha256(given.encode()).digest()
        found = None
        for name, token, access in self._tokens():
            if hmac.compare_digest(digest, hashlib.sha256(token.encode()).digest()):
                found = Pass(name, GRANTS[access])
        return found

    def _tokens(self) -> Iterator[tuple[str, str, Access]]:
        for name, token, access in (
            ("API_TOKEN", self.token, Access.FULL),
            ("API_TOKEN_READ", self.read_token, Access.READ),
            ("API_TOKEN_TRADE", self.trade_token, Access.TRADE),
            ("API_TOKEN_APPROVE", self.approve_token, Access.APPROVE),
        ):
            if token is not None:
                yield name, token, access


def is_loopback(host: str) -> bool:
    """Tell whether an address or name means this machine."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
