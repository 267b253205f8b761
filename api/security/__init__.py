"""Guard the door: who may come in, to do what, how often, and how long they may take."""

from api.security.access import Access, AccessTable, declared, needs
from api.security.config import SecurityConfig, is_loopback
from api.security.connections import ConnectionLimits, bounded
from api.security.gate import Gatekeeper

__all__ = [
    "Access",
    "AccessTable",
    "ConnectionLimits",
    "Gatekeeper",
    "SecurityConfig",
    "bounded",
    "declared",
    "is_loopback",
    "needs",
]
