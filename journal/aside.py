"""Append from a process that is not the bot: a halt while the bot runs, hangs or is gone.

No lock of the running bot stands in the way. An entry takes the next place in the chain or tries
again; when the database does not answer in time the entry goes into the bot's spool, synced, and
enters the chain at the bot's next look (`JournalConfig.look_every_s`) or at its next start, before
anything is decided.
"""

from __future__ import annotations

import asyncio

import msgspec

from domain.errors import InvariantBroken, JournalError
from domain.ports import Clock, Entry, EntryKind
from domain.records import Record
from journal.database import JournalConfig, address_of
from journal.spool import Spool
from journal.store import Request, Store
from journal.writer import sealed_request


class Appended(Record, frozen=True):
    """Where entries went: up to `seq` in the journal, or none: into the spool, for `reason`."""

    seq: int | None
    reason: str = ""


async def append_aside(
    config: JournalConfig, clock: Clock, *entries: Entry, deadline_s: float = 3.0
) -> Appended:
    """Write entries, all or none, to the journal or else to its spool, within about `deadline_s`.

    Raises `JournalError` when both fail, `InvariantBroken` for an entry of the wrong shape. An
    entry whose commit was cut short may be found in both: whoever reads must bear it twice.
    """
    if any(entry.kind is EntryKind.ANCHOR for entry in entries):
        raise InvariantBroken("Anchors are the journal's own: no one else writes them.")
    now = clock.now_ns()
    request = sealed_request(entries, now)
    try:
        async with asyncio.timeout(deadline_s):
            return Appended(seq=await _append(config, request, deadline_s))
    except TimeoutError:
        reason = f"The journal did not commit within {deadline_s:g} s."
    except JournalError as error:
        reason = error.line
    Spool(config.spool_path).append(entries, now)
    return Appended(seq=None, reason=reason)


async def _append(config: JournalConfig, request: Request, deadline_s: float) -> int:
    address = address_of(config.url)
    if address.path is not None and not address.path.exists():
        raise JournalError(f"There is no journal at {address.path}.")
    patience = {"busy_timeout_s": deadline_s / 3, "server_timeout_s": deadline_s / 3}
    store = Store(address, msgspec.structs.replace(config, **patience), is_owner=False)
    await store.open(0)
    try:
        [seq] = await store.commit([request])
    finally:
        await store.close(0)
    assert seq is not None
    return seq
