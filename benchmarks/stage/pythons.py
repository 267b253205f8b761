"""Find the other Pythons of this machine, and install the project's libraries for them.

Into `.cache/pythons/3.12` and the like, at the versions of `constraints.txt`; never the project
itself, which is read from where it lies.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache/pythons"
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
MISSING = (
    "no second Python has the project's libraries: install python3.12 or another of "
    f"{', '.join(SUPPORTED)}, then run `make pythons`"
)
INSTALL_S = 600.0


def installed(own: str = OWN) -> dict[str, Path]:
    """Return the Pythons of this machine but our own, by version: on the PATH, or pyenv's."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    for version in SUPPORTED:
        built = sorted(kept.glob(f"{version}.*/bin/python{version}"))
        paths = [*built[-1:], *filter(None, [shutil.which(f"python{version}")])]
        working = [Path(path) for path in paths if _says(Path(path), version)]
        if working and version != own:
            found[version] = working[0]
    return found


def _says(python: Path, version: str) -> bool:
    """Tell whether it runs and is of that version: pyenv's shims stand for what is not there."""
    program = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [python, "-c", program], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def ready() -> dict[str, Path]:
    """Return those that have the libraries of this very state of the project's files."""
    return {
        version: _python(version)
        for version in SUPPORTED
        if version != OWN and _stamp(version).exists() and _stamp(version).read_text() == _state()
    }


def prepare(most: int = len(SUPPORTED)) -> dict[str, Path]:
    """Install the libraries for at most so many of the others, and return those that are ready."""
    for version, python in list(installed().items())[:most]:
        if version not in ready():
            _install(version, python)
    return ready()


def _install(version: str, python: Path) -> None:
    folder = FOLDER / version
    print(f"installing the project's libraries for Python {version} into {folder}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    packages = _wanted().splitlines()
    pip = [_python(version), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    try:
        subprocess.run([python, "-m", "venv", folder], check=True, timeout=INSTALL_S)
        subprocess.run(
            [*pip, "-c", ROOT / "constraints.txt", *packages], check=True, timeout=INSTALL_S
        )
    except (subprocess.SubprocessError, OSError) as error:
        print(f"Python {version} could not be made ready: {error}", flush=True)
        return
    _stamp(version).write_text(_state())


def _python(version: str) -> Path:
    return FOLDER / version / "bin/python"


def _stamp(version: str) -> Path:
    return FOLDER / version / "installed.txt"


def _state() -> str:
    """Return what was installed at which versions: another pin makes another installation."""
    return f"{_wanted()}\n\n{(ROOT / 'constraints.txt').read_text()}"


def _wanted() -> str:
    """Return what a run needs, one requirement a line."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return "\n".join(told["project"]["dependencies"])
