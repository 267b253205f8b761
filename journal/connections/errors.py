"""Turn what drivers and the file system raise into one line with a remedy."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from domain.errors import JournalError

_SQLITE_ADVICE = {
    "SQLITE_FULL": ("The journal's disk is full", "Free some space; the journal then goes on."),
    "SQLITE_BUSY": ("Another program holds the journal locked", "Close it; the journal goes on."),
    "SQLITE_LOCKED": ("Another program holds the journal locked", "Close it; the journal goes on."),
    "SQLITE_READONLY": ("The journal may not be written", "Check the file's owner and mode."),
    "SQLITE_CANTOPEN": (
        "The journal cannot be opened",
        "Check that its folder exists and is ours.",
    ),
    "SQLITE_NOTADB": ("The journal is not an SQLite file", "Restore it, or name another file."),
    "SQLITE_CORRUPT": ("The journal is damaged", "Restore it from a backup, or name another file."),
    "SQLITE_IOERR": (
        "The journal's disk failed",
        "Check the disk; the journal goes on when it can.",
    ),
}


@contextlib.contextmanager
def readable_errors(shown: str) -> Iterator[None]:
    """Turn what drivers and the file system raise into one line with a remedy."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(error, shown) from error
    except SQLAlchemyError as error:
        raise JournalError(f"The journal failed: {_first_line(error)} ({shown}).") from error
    except OSError as error:
        raise JournalError(
            f"The journal cannot be reached: {error.strerror or _first_line(error)} ({shown}).",
            remedy="Check DATABASE_URL and that the database is running.",
        ) from error


def _explain(error: DBAPIError, shown: str) -> JournalError:
    name = getattr(error.orig, "sqlite_errorname", "")
    for prefix, (what, remedy) in _SQLITE_ADVICE.items():
        if name.startswith(prefix):
            return JournalError(f"{what} ({shown}).", remedy=remedy)
    failure = JournalError(
        f"The journal failed: {_first_line(error.orig or error)} ({shown}).",
        remedy="Check that the database is running and may be written.",
    )
    if (
        not isinstance(error, OperationalError | InterfaceError)
        and not error.connection_invalidated
    ):
        failure.code = "JOURNAL_REFUSED"
    return failure


def _first_line(error: BaseException) -> str:
    """Return the driver's words without the class that SQLAlchemy puts before asyncpg's."""
    lines = re.sub(r"^<class '[^']*'>: ", "", str(error)).splitlines()
    return lines[0] if lines else type(error).__name__
