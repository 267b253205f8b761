"""Serve the pages' files from memory, under an address that names their content.

A browser keeps what it has for ever, and a new version has new addresses: so a page costs one
request when it is opened again, and never mixes the scripts of two versions.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
FOR_EVER = "private, max-age=31536000, immutable"

_VERSION = b"{version}"


@cache
def assets() -> dict[str, bytes]:
    """Return every file by its name; pages name the version that their scripts are under."""
    found = {
        each.name: each.read_bytes()
        for each in files("api.desk").iterdir()
        if each.name.rpartition(".")[2] in TYPES
    }
    digest = hashlib.sha256(b"".join(found[name] for name in sorted(found))).hexdigest()[:12]
    return {name: content.replace(_VERSION, digest.encode()) for name, content in found.items()}


def type_of(name: str) -> str:
    """Return the content type that a file's name ends on."""
    return TYPES[name.rpartition(".")[2]]
