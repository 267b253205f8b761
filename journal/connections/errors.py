"""Turn what drivers and the file system raise into one line with a remedy."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    ProgrammingError,
    SQLAlchemyError,
)

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
    except server_errors() as error:
        raise JournalError(
            f"The journal's server refused us: {_first_line(error)} ({shown}).",
            remedy="Check DATABASE_URL and that the database is running.",
        ) from error
    except OSError as error:
        raise JournalError(
            f"The journal cannot be reached: {error.strerror or _first_line(error)} ({shown}).",
            remedy="Check DATABASE_URL and that the database is running.",
        ) from error


def server_errors() -> tuple[type[Exception], ...]:
    """Return what asyncpg raises while it connects, which SQLAlchemy passes on as it is.

    A server that shuts down or starts up answers so. The driver is an optional extra.
    """
    driver = sys.modules.get("asyncpg")
    return (driver.PostgresError, driver.InterfaceError) if driver else ()


def connection_errors() -> tuple[type[Exception], ...]:
    """Return everything after which a connection is not used again."""
    return (SQLAlchemyError, OSError, *server_errors())


_OF_DATA = (DataError, IntegrityError, ProgrammingError)
_REFUSED = frozenset({"22", "23", "42"})
"""SQLSTATE classes in which it is the data or the statement that is wrong, not the database."""


def _explain(error: DBAPIError, shown: str) -> JournalError:
    name = getattr(error.orig, "sqlite_errorname", "")
    for prefix, (what, remedy) in _SQLITE_ADVICE.items():
        if name.startswith(prefix):
            return JournalError(f"{what} ({shown}).", remedy=remedy)
    failure = JournalError(
        f"The journal failed: {_first_line(error.orig or error)} ({shown}).",
        remedy="Check that the database is running and may be written.",
    )
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if isinstance(error, _OF_DATA) or state[:2] in _REFUSED:
        failure.code = "JOURNAL_REFUSED"
    return failure


def _first_line(error: BaseException) -> str:
    """Return the driver's words without the class that SQLAlchemy puts before asyncpg's."""
    lines = re.sub(r"^<class '[^']*'>: ", "", str(error)).splitlines()
    return lines[0] if lines else type(error).__name__
