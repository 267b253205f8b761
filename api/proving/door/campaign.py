"""Prove the door: no 5xx from whatever is sent, and nothing let in without the right token."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from api.proving.campaign import Bar, Result, Scale, Table, Tell
from api.proving.door.callers import CALLERS, Knocks, enter, knock
from api.proving.door.schema import Drive, Fuzzed, drive
from api.proving.door.stand import TOKENS, Stand, Standing, standing_bot
from api.security import Access

EXAMPLES = {True: 6, False: 200}
SECONDS = {True: 15.0, False: 900.0}
"""Of each of the two drives: as a reader, who may change nothing, and with the full token."""
_SHOWN = 20


class DoorCampaign:
    """Every operation, with what its schema allows and not, by every caller but the right one."""

    name = "door"
    title = "HTTP by its OpenAPI document, and by callers without the right token"

    async def run(self, scale: Scale, tell: Tell) -> Result:
        """Knock, drive as a reader, enter with the right token, drive with the full one."""
        done = 0
        operations = 26
        whole = operations * (len(CALLERS) + 4 * EXAMPLES[scale.is_short])

        def one() -> None:
            nonlocal done
            done += 1
            tell(min(done, whole), whole)

        loop = asyncio.get_running_loop()

        def one_there() -> None:
            loop.call_soon_threadsafe(one)

        with tempfile.TemporaryDirectory(prefix="autohedge-door-") as folder:
            async with standing_bot(Path(folder), scale.seed) as stand:
                knocks = await knock(stand, one)

                async def driven(access: Access) -> Fuzzed:
                    how = Drive(
                        url=stand.url,
                        token=TOKENS[access],
                        examples=EXAMPLES[scale.is_short],
                        seed=scale.seed,
                        seconds=SECONDS[scale.is_short],
                    )
                    return await asyncio.to_thread(drive, stand.schema, how, one_there)

                before = await stand.standing()
                as_reader = await driven(Access.READ)
                moved = _moved(before, await stand.standing())
                idle = await enter(stand)
                as_owner = await driven(Access.FULL)
                left = await _still_there(stand)
        return _result(knocks, {"read": as_reader, "full": as_owner}, moved, idle + left)


async def _still_there(stand: Stand) -> list[str]:
    """Hold that the bot answers after all of it."""
    status = stand.process.bot.status()
    return [] if status.is_journal_up else ["the journal went down under the requests"]


def _moved(before: Standing, after: Standing) -> list[str]:
    if after == before:
        return []
    return [f"driven with the read token alone: {before} became {after}"]


def _result(
    knocks: Knocks, drives: dict[str, Fuzzed], moved: list[str], faults: list[str]
) -> Result:
    errors = [each for fuzzed in drives.values() for each in fuzzed.server_errors]
    unlike = [each for fuzzed in drives.values() for each in fuzzed.unlike_schema]
    let_in = [*knocks.breaches, *moved]
    cases = knocks.cases + sum(fuzzed.cases for fuzzed in drives.values())
    bars = (
        _bar("Answers of 500 and above", len(errors)),
        _bar("Requests let in, or changing anything, without the right scope", len(let_in)),
        _bar("Answers unlike their own schema", len(unlike)),
    )
    breaches = (*errors, *let_in, *unlike, *faults)
    return Result(
        cases=cases, breaches=breaches[:_SHOWN], bars=bars, tables=_tables(knocks, drives)
    )


def _bar(what: str, count: int) -> Bar:
    return Bar(what=what, bar="0", measured=str(count), is_met=count == 0)


def _tables(knocks: Knocks, drives: dict[str, Fuzzed]) -> tuple[Table, ...]:
    callers = Table(
        title="Callers: requests refused without a change, and let in to read",
        columns=("caller", "refused", "let in"),
        rows=tuple(
            (each.name, str(knocks.refused[each.name]), str(knocks.let_in[each.name]))
            for each in CALLERS
        ),
    )
    statuses = Table(
        title="Schemathesis: answers by status",
        columns=("token", "requests", "operations", "statuses"),
        rows=tuple(
            (
                name,
                str(fuzzed.cases),
                str(len(fuzzed.by_operation)),
                ", ".join(f"{status}: {n}" for status, n in sorted(fuzzed.statuses.items())),
            )
            for name, fuzzed in drives.items()
        ),
    )
    return callers, statuses
