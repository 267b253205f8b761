"""Stage a memory that is altered behind the bot: the audit must name it, and nothing follows it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from api.proving.attacks.answers import Says
from api.proving.attacks.cases import Case
from api.proving.attacks.stages.company import Company
from api.proving.house import until

_GUARDS = ("entries_no_update", "entries_no_delete")
_BUSY_S = 30.0
_FLIP = (
    "UPDATE entries SET body = CAST(substr(body, 1, 8) || 'x' || substr(body, 10) AS BLOB) "
    "WHERE seq = (SELECT max(seq) FROM entries WHERE kind = ?)"
)


async def alter_memory(made: Company, case: Case, symbol: str) -> None:
    """Buy, alter what the journal says of it, and let the model ask for all it can have."""
    made.model.says[symbol] = Says()
    await made.buy(symbol)
    await until(made.process.bot.positions, what="the journal knows of the fill")
    await asyncio.to_thread(_alter, made.house.journal, case.act.removeprefix("journal_"))
    verdict = await made.process.bot.reader().verify_chain()
    if verdict.is_sound:
        made.blame(case, "the audit found nothing wrong with an altered journal")
    for each in made.house.symbols:
        made.model.says[each] = Says()
        await made.decide(each)


def _alter(path: Path, kind: str) -> None:
    """Write as whoever holds the file can: past the triggers that keep the honest from it."""
    with closing(sqlite3.connect(path, timeout=_BUSY_S)) as database, database:
        for guard in _GUARDS:
            database.execute(f"DROP TRIGGER IF EXISTS {guard}")
        if kind == "fill":
            changed = database.execute("DELETE FROM fills").rowcount
        else:
            changed = database.execute(_FLIP, (kind,)).rowcount
        if changed < 1:
            raise AssertionError(f"there was no {kind} to alter")
