"""Let one dead-man of a journal have the post, and let the newest have it.

Two would fight: one of a run that is gone could cancel what the next run enters. The newest writes
its name into the file, the one before finds it there and ends, and the kernel frees the lock.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from pathlib import Path

_WAIT_S, _LOOK_S = 10.0, 0.05


class Post:
    """A lock with the name of who should hold it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._name = uuid.uuid4().hex.encode()

    def take(self) -> bool:
        """Claim the post and wait for the one before to leave; false when it does not."""
        os.pwrite(self._fd, self._name, 0)
        deadline = time.monotonic() + _WAIT_S
        while not self._is_free():
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_S)
        return True

    def is_relieved(self) -> bool:
        """Tell whether another has claimed the post since."""
        return os.pread(self._fd, len(self._name), 0) != self._name

    def _is_free(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
