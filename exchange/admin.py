"""The exchange's own door beside Alpaca's paths: arm and clear faults, read what happened.

It answers this machine alone, and no browser page: a request with an `Origin` is refused.
"""

from __future__ import annotations

import base64
import ipaddress
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from fastapi import APIRouter, HTTPException, Response
from fastapi import Request as HttpRequest

from domain.errors import ConfigError
from exchange.faults import FaultKind, FaultPlan
from exchange.faults.armed import Armed
from exchange.faults.fault import Fault
from exchange.faults.reading import read_fault
from exchange.record import Record
from exchange.streams.record import FrameLog, FrameRecord

_PATH = "/admin"
_DEFAULT_PAGE, _MOST_A_PAGE = 100, 1_000
_CREATED, _NO_CONTENT = 201, 204
_FORBIDDEN, _NOT_FOUND, _CONFLICT, _UNPROCESSABLE = 403, 404, 409, 422

_Numbered = Iterable[tuple[int, Any]]


class Admin:
    """Answer the admin interface of one exchange."""

    def __init__(self, plan: FaultPlan | None, record: Record, frames: FrameLog) -> None:
        self._given = plan
        self._records: dict[str, Callable[[], tuple[int, Iterable[Any]]]] = {
            "requests": lambda: (record.requests_dropped, record.requests()),
            "events": lambda: (record.events_dropped, record.event_records()),
            "frames": lambda: (frames.dropped, frames),
            "strikes": lambda: (self._plan.strikes_dropped, self._plan.strikes),
        }

    @property
    def _plan(self) -> FaultPlan:
        if self._given is None:
            raise HTTPException(
                _CONFLICT, "This exchange was started with faults of its own: they cannot be set."
            )
        return self._given

    async def faults(self, http: HttpRequest) -> Response:
        """List what is armed, and every kind there is."""
        _check(http)
        kinds = {kind: kind.what for kind in FaultKind}
        armed = [_armed(each) for each in self._plan.armed]
        return _json({"seed": self._plan.seed, "armed": armed, "kinds": kinds})

    async def add(self, http: HttpRequest) -> Response:
        """Arm one fault, or all of a list; nothing is armed when one of them is wrong."""
        _check(http)
        try:
            written = msgspec.json.decode(await http.body())
            faults = [read_fault(each) for each in _listed(written)]
        except msgspec.DecodeError as error:
            raise _unprocessable(f"The body is no JSON: {error}.") from None
        except ConfigError as error:
            raise _unprocessable(error.line) from None
        return _json({"numbers": self._plan.add(*faults)}, status=_CREATED)

    async def clear(self, http: HttpRequest) -> Response:
        """Disarm one fault or all, and let go of what hangs."""
        _check(http)
        wanted = http.path_params.get("number")
        if not self._plan.clear(wanted) and wanted is not None:
            raise HTTPException(_NOT_FOUND, f"No fault {wanted} is armed: see GET /admin/faults.")
        return Response(status_code=_NO_CONTENT)

    async def record(self, http: HttpRequest) -> Response:
        """Return one page of what happened, oldest first.

        `of` chooses requests, events, frames or strikes; `after` is the last number already seen;
        any other parameter keeps the entries whose field of that name is equal.
        """
        _check(http)
        query = dict(http.query_params)
        of = query.pop("of", "requests")
        if of not in self._records:
            raise _unprocessable(f"of={of} is not kept: use {', '.join(self._records)}.")
        after, limit = _whole(query, "after", 0), _whole(query, "limit", _DEFAULT_PAGE)
        dropped, kept = self._records[of]()
        numbered = ((n, entry) for n, entry in enumerate(kept, dropped + 1) if n > after)
        found = list(itertools.islice(_matching(numbered, query), min(limit, _MOST_A_PAGE)))
        entries = [{"number": n, **_told(entry)} for n, entry in found]
        last = found[-1][0] if found else after
        return _json({"dropped": dropped, "next": last, "entries": entries})


def admin_router(plan: FaultPlan | None, record: Record, frames: FrameLog) -> APIRouter:
    """Return the admin interface's routes, to be mounted beside the API's; plan None: not ours."""
    admin, router = Admin(plan, record, frames), APIRouter()
    for method, path, answer in (
        ("GET", "/faults", admin.faults),
        ("POST", "/faults", admin.add),
        ("DELETE", "/faults", admin.clear),
        ("DELETE", "/faults/{number:int}", admin.clear),
        ("GET", "/record", admin.record),
    ):
        router.add_api_route(_PATH + path, answer, methods=[method], include_in_schema=False)
    return router


def _check(http: HttpRequest) -> None:
    """Refuse other machines, and pages that a browser has open."""
    host = http.client.host if http.client else ""
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = False
    if not is_here or "origin" in http.headers:
        raise HTTPException(
            _FORBIDDEN, "The admin interface answers programs of this machine only."
        )


def _listed(written: Any) -> list[Any]:
    """Return the faults of a body: one, a list, or an object that holds a list."""
    if isinstance(written, dict) and set(written) == {"faults"}:
        written = written["faults"]
    return written if isinstance(written, list) else [written]


def _matching(numbered: _Numbered, wanted: dict[str, str]) -> Iterator[tuple[int, Any]]:
    for number, entry in numbered:
        values = _fields(entry)
        unknown = [name for name in wanted if name not in values]
        if unknown:
            raise _unprocessable(f"{unknown[0]} is no field: use {', '.join(values)}.")
        if all(_has(values[name], value) for name, value in wanted.items()):
            yield number, entry


def _has(value: Any, wanted: str) -> bool:
    """Tell whether a field is what is asked for, or holds it."""
    return wanted in map(str, value) if isinstance(value, tuple) else str(value) == wanted


def _fields(entry: Any) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in entry.__dataclass_fields__}


def _told(entry: Any) -> dict[str, Any]:
    if isinstance(entry, FrameRecord):
        return _fields(entry) | {"data": _read(entry.data)}
    return _fields(entry)


def _read(data: bytes) -> Any:
    """Return what a frame says, or its bytes in base64 when it says nothing that can be read."""
    for decode in (msgspec.json.decode, msgspec.msgpack.decode):
        try:
            return decode(data)
        except (msgspec.DecodeError, RecursionError):
            continue
    return base64.b64encode(data).decode()


def _armed(armed: Armed) -> dict[str, Any]:
    fault: Fault = armed.fault
    counts = {"number": armed.number, "matched": armed.matched, "struck": armed.struck}
    return counts | {"fault": msgspec.to_builtins(fault)}


def _whole(query: dict[str, str], name: str, default: int) -> int:
    text = query.pop(name, str(default))
    if not text.isdecimal():
        raise _unprocessable(f"{name} must be a whole number from 0, not {text}.")
    return int(text)


def _unprocessable(line: str) -> HTTPException:
    return HTTPException(_UNPROCESSABLE, line)


def _json(body: Any, *, status: int = 200) -> Response:
    content = msgspec.json.encode(body, enc_hook=str)
    return Response(content, status_code=status, media_type="application/json")
