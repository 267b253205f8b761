"""Start a real PostgreSQL server of one's own: a fresh cluster on a loopback port, then gone.

The binaries are the system's. PostgreSQL refuses to run as root, so root starts it as another
user. Durability is left as it is delivered (`fsync` and `synchronous_commit` on).
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

MISSING = "PostgreSQL is not installed: apt-get install postgresql"

_UNTIL_WE_END = '"$@" & read _; kill -INT $!; wait $!'
"""A shell that ends the server when its input closes: also when we are killed."""

_STARTING_S = 60.0
_ENDING_S = 60.0
_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)


def binaries() -> Path | None:
    """Return the folder of the newest server's programs, or none when there is no server."""
    found = [folder for pattern in _FOLDERS for folder in Path("/").glob(pattern[1:])]
    on_path = shutil.which("postgres")
    found += [Path(on_path).resolve().parent] if on_path else []
    usable = [f for f in found if (f / "postgres").exists() and (f / "initdb").exists()]
    return max(usable, key=_version, default=None)


def _version(folder: Path) -> float:
    digits = "".join(c for c in folder.parent.name if c.isdigit() or c == ".")
    return float(digits or 0)


class Server:
    """One cluster in one folder; it can be stopped, killed and started again on its port."""

    def __init__(self, programs: Path, home: Path) -> None:
        self._programs = programs
        self._home = home
        self._password = secrets.token_hex(8)
        self._process: subprocess.Popen[bytes] | None = None
        self._user = _unprivileged()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def url(self, database: str = "postgres") -> str:
        """Return `DATABASE_URL` of one of its databases."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        """Make the cluster."""
        if self._user:
            shutil.chown(self._home, self._user, _group(self._user))
        secret = self._home / "password"
        secret.write_text(self._password)
        secret.chmod(0o644)
        options = ("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync")
        made = subprocess.run(
            [
                *(str(self._programs / "initdb"), "-D", str(self._data), "-U", "postgres"),
                *(*options, f"--pwfile={secret}"),
            ],
            **self._as_user(),
            capture_output=True,
            check=False,
            timeout=_STARTING_S,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr.decode()}")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "60",
            "shared_buffers": "16MB",
        }
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("/bin/sh", "-c", _UNTIL_WE_END, "sh"),
                    *(
                        str(self._programs / "postgres"),
                        "-D",
                        str(self._data),
                        "-p",
                        str(self.port),
                    ),
                    *(
                        part
                        for name, value in options.items()
                        for part in ("-c", f"{name}={value}")
                    ),
                ],
                **self._as_user(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_ready()

    @property
    def is_running(self) -> bool:
        """Tell whether it was started and not ended since."""
        return self._process is not None

    def stop(self) -> None:
        """Shut it down fast: its clients are cut off, what they committed is on disk."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a power cut would: nothing is flushed, the next start recovers."""
        self._end(signal.SIGQUIT)

    def hold(self) -> None:
        """Let it hang, with all its connections open."""
        for process in self._processes():
            process.suspend()

    def release(self) -> None:
        """Let it go on."""
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        """Return the server and its backends: each is a session of its own."""
        main = psutil.Process(self._pid())
        return [main, *main.children(recursive=True)]

    def _pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _as_user(self) -> dict[str, Any]:
        if not self._user:
            return {"cwd": self._home}
        user = {"user": self._user, "group": _group(self._user), "extra_groups": []}
        return {"cwd": self._home, **user}

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(self._pid(), number)
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _wait_until_ready(self) -> None:
        ask = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + _STARTING_S
        assert self._process is not None
        while subprocess.run(ask, check=False, timeout=_STARTING_S).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self._home / 'log').read_text()}")
            time.sleep(0.05)


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Run a server until the end of the block; raises `RuntimeError` where there is none."""
    programs = binaries()
    if programs is None:
        raise RuntimeError(MISSING)
    folder = None if os.geteuid() else "/tmp"  # a folder of root's own is closed to other users
    home = Path(tempfile.mkdtemp(prefix="autohedge-postgresql-", dir=folder))
    running = Server(programs, home)
    try:
        running.create()
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


def _unprivileged() -> str | None:
    """Return whom to run it as: nobody else but for root."""
    if os.geteuid():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid
