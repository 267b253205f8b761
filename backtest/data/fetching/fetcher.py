"""Fetch units page by page, within the venue's budget, through its failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from backtest.data.fetching.pace import Pace
from backtest.data.fetching.parts import Parts, Progress, note_of
from backtest.data.fetching.plan import Unit
from domain.errors import FeedError, FeedLimited, FeedRefused
from domain.ports import Clock
from domain.records import NS_PER_S
from feeds.pages import HistoryRecord, Kind, Page, Question

PAGES_A_PART = 10
"""What a kill costs at most: ten requests; and what is held in memory: 100,000 rows."""
PATIENCE = 6
"""Failures in a row after which a fetch gives up; it goes on when it is run again."""
QUESTION_REFUSED = "HISTORY_QUESTION_REFUSED"

Tell = Callable[[int, int], None]
"""Hear how many units are done, of how many."""


class Source(Protocol):
    """Who answers pages: `feeds.pages.HistoryPages`."""

    async def page(self, question: Question, token: str | None) -> Page:
        """Return one page."""
        ...


@dataclass(slots=True)
class Fetched:
    """What a run did. `was_there` counts units that an earlier run had fetched whole.

    `empty` are the symbols of which the venue has nothing in all that was asked for.
    """

    units: int = 0
    was_there: int = 0
    resumed: int = 0
    rows: int = 0
    requests: int = 0
    limited: int = 0
    waited_s: float = 0.0
    empty: tuple[str, ...] = ()


class Fetcher:
    """Bring units onto the disk, in their order; every whole part stays whatever happens."""

    def __init__(
        self,
        source: Source,
        parts: Parts,
        clock: Clock,
        *,
        per_minute: int,
        pages_a_part: int = PAGES_A_PART,
    ) -> None:
        self.done = Fetched()
        self._source = source
        self._parts = parts
        self._clock = clock
        self._pages_a_part = pages_a_part
        self._pace = Pace(per_minute, clock)

    async def run(self, units: Sequence[Unit], tell: Tell) -> Fetched:
        """Fetch what is not there; raises `FeedError` when the venue refuses or stays silent."""
        try:
            with self._parts.locked():
                for number, unit in enumerate(units):
                    tell(number, len(units))
                    await self._unit(unit)
                tell(len(units), len(units))
                self.done.empty = self._without_rows(units)
        finally:
            self.done.waited_s = self._pace.waited_s
        return self.done

    def _without_rows(self, units: Sequence[Unit]) -> tuple[str, ...]:
        """Return the symbols without a row, whose parts say nothing and are not kept."""
        found = dict.fromkeys((unit.symbol for unit in units), 0)
        for unit in units:
            found[unit.symbol] += self._parts.rows(unit)
        empty = tuple(symbol for symbol, rows in found.items() if not rows)
        for unit in units:
            if unit.symbol in empty:
                self._parts.drop(unit)
        return empty

    async def _unit(self, unit: Unit) -> None:
        progress = self._parts.progress(unit)
        self.done.units += 1
        if progress.is_done:
            self.done.was_there += 1
            return
        if progress.n_parts:
            self.done.resumed += 1
            try:
                await self._go_on(unit, progress)
            except FeedError as error:
                if error.code != QUESTION_REFUSED:
                    raise
            else:
                return
        self._parts.drop(unit)
        await self._go_on(unit, Progress())

    async def _go_on(self, unit: Unit, progress: Progress) -> None:
        """Fetch a unit from where it stands; a token that the venue forgot raises its refusal."""
        number, token = progress.n_parts, progress.token
        while True:
            records: list[HistoryRecord] = []
            for _ in range(self._pages_a_part):
                page = await self._page(unit.question, token)
                records += self._finished(unit.question, page)
                token = page.token
                if token is None:
                    break
            self._keep(unit, number, records, token)
            number += 1
            if token is None:
                return

    def _finished(self, question: Question, page: Page) -> Iterable[HistoryRecord]:
        """Leave out the bar that is being made: nobody knew its close."""
        if question.kind is not Kind.BARS:
            return page.records
        latest_ns = self._clock.now_ns() - question.interval_s * NS_PER_S
        return [bar for bar in page.records if bar.ts_event <= latest_ns]

    def _keep(
        self, unit: Unit, number: int, records: list[HistoryRecord], token: str | None
    ) -> None:
        note = note_of(unit, token=token, rows=len(records), fetched_ns=self._clock.now_ns())
        self._parts.write(unit, number, records, note)
        self.done.rows += len(records)

    async def _page(self, question: Question, token: str | None) -> Page:
        """Ask until an answer comes; a pause that the venue names is kept to the letter."""
        failure: FeedError | None = None
        for backoff_s in _pauses():
            pause_s = backoff_s
            await self._pace.turn()
            self.done.requests += 1
            try:
                return await self._source.page(question, token)
            except FeedLimited as error:
                self.done.limited += 1
                failure, pause_s = error, max(error.retry_after_s, backoff_s)
            except FeedError as error:
                if isinstance(error, FeedRefused) or error.code == QUESTION_REFUSED:
                    raise
                failure = error
            await self._pace.pause(pause_s)
        raise _gave_up(failure)


def _gave_up(failure: FeedError | None) -> FeedError:
    assert failure is not None
    return FeedError(
        f"The venue did not answer {PATIENCE} times: {failure.args[0]}",
        remedy="Run the same command again: it goes on where it stopped.",
        code=failure.code,
    )


def _pauses() -> Iterable[float]:
    return (2.0**n for n in range(PATIENCE))
