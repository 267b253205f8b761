"""Be a dead-man: `python -m api.deadman`, started by the bot, told its duty by its input.

Nothing here may import the bot's own world: this process must be small, and it must run when the
bot cannot (a test holds the list of what it loads).
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from broker.canceler import AlpacaCanceler, CancelerConfig
from domain.errors import BrokerError
from engine.deadman.duty import Acted, Duty, Ready, Told, encode
from engine.deadman.post import Post
from engine.deadman.watch import act, wait_for_silence

_IN, _OUT = 0, 1
_PAGE_KB = 1024


def main() -> None:
    """Watch until the engine says goodbye; act once when it falls silent, then end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    duty = _duty()
    post = Post(Path(duty.post_path))
    is_alone = post.take()
    config = CancelerConfig(url=duty.url, key=duty.key, secret=duty.secret)
    canceler = AlpacaCanceler(config)
    fault = "" if is_alone else "another dead-man does not leave its post."
    try:
        canceler.working_entries()
    except BrokerError as error:
        fault = error.line
    _tell(Ready(pid=os.getpid(), memory_mb=_memory_mb(), venue=fault))
    why = wait_for_silence(_IN, duty.silence_s)
    if why is None:
        return
    acted = act(canceler, why, give_up_s=duty.give_up_s, is_relieved=post.is_relieved)
    _tell(acted)
    _log(acted, Path(duty.log_path))


def _duty() -> Duty:
    """Read the first line, byte by byte: what follows it are beats, which `select` must see."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(_IN, 1)
        if not byte:
            sys.exit(1)
        line += byte
    return msgspec.json.decode(line, type=Duty)


def _tell(told: Told) -> None:
    """Tell the engine, if it is there to hear."""
    with contextlib.suppress(OSError):
        os.write(_OUT, encode(told))


def _log(acted: Acted, path: Path) -> None:
    """Leave the line where a person looks: on the terminal of the bot, and beside its journal."""
    line = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {acted.line}\n"
    with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as file:
        file.write(line)
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(line)
        sys.stderr.flush()


def _memory_mb() -> float:
    """Return the resident set now; where the kernel does not tell, its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        unit = 1 if sys.platform == "darwin" else _PAGE_KB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _PAGE_KB**2
    return pages * resource.getpagesize() / _PAGE_KB**2


if __name__ == "__main__":
    main()
