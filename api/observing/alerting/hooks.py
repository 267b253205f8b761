"""Send an alert to each hook of `ALERT_URLS`: the one door to apprise.

An address holds a token or a password, so it is shown without them and nothing of it is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import apprise

from api.observing.alerting.choosing import Alert, Severity
from domain.errors import ConfigError

_TYPES = {
    Severity.FAILURE: apprise.NotifyType.FAILURE,
    Severity.WARNING: apprise.NotifyType.WARNING,
    Severity.INFO: apprise.NotifyType.INFO,
}


@dataclass(frozen=True)
class Hook:
    """One place that alerts go to.

    `name` is its place in `ALERT_URLS` and its scheme: host or path may be the token.
    """

    name: str
    service: Any

    def send(self, alert: Alert) -> bool:
        """Send and wait; tells whether it arrived. Blocks for seconds at worst (4 s a step)."""
        return bool(
            self.service.notify(
                title=f"AutoHedge: {alert.title}",
                body=alert.text or alert.title,
                notify_type=_TYPES[alert.severity],
            )
        )


def hooks_of(urls: Sequence[str]) -> tuple[Hook, ...]:
    """Return a hook for each address; raises `ConfigError` for one that apprise does not know."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines may hold addresses
    return tuple(_hook(number, url) for number, url in enumerate(urls, start=1))


def _hook(number: int, url: str) -> Hook:
    service: Any = apprise.Apprise.instantiate(url, asset=_ASSET, suppress_exceptions=True)
    if service is None:
        scheme = url.partition("://")[0][:20]
        raise ConfigError(
            f"Address {number} of ALERT_URLS ({scheme}://...) is none that can be sent to.",
            remedy="Write json://host/path, ntfys://host/topic or mailtos://...; spaces between.",
            code="ALERT_URL_INVALID",
        )
    return Hook(name=f"{number} {url.partition('://')[0]}", service=service)


_ASSET = apprise.AppriseAsset(app_id="AutoHedge", app_desc="AutoHedge", app_url="")
