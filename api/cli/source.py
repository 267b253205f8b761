"""Say which code runs, for pages that must be made again."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def commit() -> str:
    """Return the commit that runs, or that there is no repository."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        asked = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)  # noqa: S603 - a literal command
    except (OSError, subprocess.CalledProcessError):
        return "not a repository"
    return asked.stdout.strip()


def machine() -> str:
    """Return on what it runs."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"
