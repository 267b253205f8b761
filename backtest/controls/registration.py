"""C11: write down what is to be shown before it is looked for.

The registration is a JSON file. Its digest goes into the journal before the first decision, so a
file that was changed afterwards no longer bears the name that the journal holds, and the report
says *exploratory*.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from backtest.controls.switches import found
from backtest.evidence.records import ControlResult, Registered
from backtest.records import RunSpec
from domain.errors import ConfigError
from domain.ports import Entry, EntryKind
from domain.records import Record, digest, parse, plain

REGISTERED = "register"
DAY = len("2024-01-31")


class Registration(Record, frozen=True):
    """What is claimed in advance, and with what it will be tried.

    `universe` are the symbols, `start` and `end` the first and last day of the data (a date, or
    RFC 3339), `analyst` as in `RunSpec`, `prompts` (role, digest), `primary_figure` the one figure
    that decides, `n_tries` how many configurations were tried before or will be.
    """

    hypothesis: str
    universe: tuple[str, ...]
    start: str
    end: str
    analyst: str
    primary_figure: str
    n_tries: int = 1
    prompts: tuple[tuple[str, str], ...] = ()


def registration_of(spec: RunSpec, *, hypothesis: str, primary: str, n_tries: int) -> Registration:
    """Register what a run is going to do."""
    return Registration(
        hypothesis=hypothesis,
        universe=spec.symbols,
        start=spec.start,
        end=spec.end,
        analyst=spec.analyst,
        primary_figure=primary,
        n_tries=n_tries,
        prompts=spec.prompts,
    )


def write(path: Path, registration: Registration) -> str:
    """Write the file for people to read, and return its digest; raises `ConfigError`."""
    text = msgspec.json.format(msgspec.json.encode(registration), indent=2)
    try:
        path.write_bytes(text + b"\n")
    except OSError as problem:
        raise _refused(path, f"cannot be written ({problem.strerror})") from None
    return digest(registration)


def load(path: Path) -> Registration:
    """Read a file; raises `ConfigError` saying what is wrong with it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Registration)
    except OSError as problem:
        raise _refused(path, f"cannot be read ({problem.strerror})") from None
    except msgspec.DecodeError as wrong:
        raise _refused(path, f"is no registration ({wrong})") from None


def _refused(path: Path, what: str) -> ConfigError:
    return ConfigError(
        f"The registration {path} {what}.",
        remedy="Name a file with hypothesis, universe, start, end, analyst and primary_figure.",
        code="REGISTRATION_INVALID",
    )


def entry_of(registration: Registration) -> Entry:
    """Return what the journal remembers first, before any decision."""
    name = digest(registration)
    body = {
        "action": REGISTERED,
        "actor": "backtest",
        "reason": registration.hypothesis,
        "args": {"digest": name, "registration": plain(registration)},
    }
    return Entry(kind=EntryKind.OPERATOR_ACTION, ref=name, body=body)


def registered_in(entries: Iterable[Entry]) -> Registration | None:
    """Return what a journal registers before its first decision; what comes later is none."""
    for entry in entries:
        if entry.kind is EntryKind.DECISION:
            return None
        if entry.kind is EntryKind.OPERATOR_ACTION and entry.body.get("action") == REGISTERED:
            return parse(entry.body["args"]["registration"], Registration)
    return None


def compared(
    registration: Registration | None, spec: RunSpec, *, journaled: Registration | None
) -> Registered:
    """Hold the file as it is now against what the journal holds and what the run did.

    `journaled` is the registration that stands before the first decision, none where there is none.
    """
    now = registration or journaled
    if now is None:
        return Registered(digest=None, hypothesis="", primary_figure="", n_tries=0)
    changed = _differences(now, spec)
    if journaled is not None:
        changed += [
            name
            for name in Registration.__struct_fields__
            if getattr(now, name) != getattr(journaled, name)
        ]
    return Registered(
        digest=None if journaled is None else digest(journaled),
        hypothesis=now.hypothesis,
        primary_figure=now.primary_figure,
        n_tries=now.n_tries,
        changed=tuple(dict.fromkeys(changed)),
    )


def _differences(registration: Registration, spec: RunSpec) -> list[str]:
    did = registration_of(
        spec,
        hypothesis=registration.hypothesis,
        primary=registration.primary_figure,
        n_tries=registration.n_tries,
    )
    names = Registration.__struct_fields__
    return [name for name in names if _told(registration, name) != _told(did, name)]


def _told(registration: Registration, name: str) -> object:
    """Return a field as it is compared with what a run did: times to the day."""
    value = getattr(registration, name)
    return value[:DAY] if name in {"start", "end"} else value


def registration(registered: Registered, *, n_tries: int) -> ControlResult:
    """Report C11: registered before the first decision, and nothing changed since.

    More tries than were registered are a change too.
    """
    figures = {"digest": registered.digest, "registered_tries": float(registered.n_tries)}
    if registered.digest is None:
        line = "exploratory: nothing was registered before the first decision"
        return found("C11", line, passed=False, **figures)
    if registered.changed:
        line = f"exploratory: {', '.join(registered.changed)} changed after the registration"
        return found("C11", line, passed=False, **figures)
    if n_tries > registered.n_tries:
        line = f"exploratory: {n_tries} tries, {registered.n_tries} registered"
        return found("C11", line, passed=False, **figures)
    line = (
        f"registered as {registered.digest[:12]} before the first decision: {registered.hypothesis}"
    )
    return found("C11", line, passed=True, **figures)
