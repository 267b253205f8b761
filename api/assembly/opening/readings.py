"""Say how the figures are read that only those know who opened what they are of."""

from __future__ import annotations

from msgspec.structs import asdict

from broker.alpaca import AlpacaBroker
from engine.deciding.budget import ModelBudget
from engine.figures import BudgetVital, JournalVital, LineUse, Readings
from journal.sql import SqlJournal


def readings_of(budget: ModelBudget, journal: SqlJournal, broker: AlpacaBroker) -> Readings:
    """Return what reads the model's budget, the journal, and the line to the venue."""
    return Readings(
        budget=lambda: _budget(budget),
        journal=lambda: _journal(journal),
        line=lambda: LineUse(**asdict(broker.use)),
    )


def _budget(budget: ModelBudget) -> BudgetVital:
    requests, tokens = budget.last_minute
    return BudgetVital(
        spent_usd=budget.spent_usd,
        usd_per_day=budget.config.usd_per_day,
        requests=requests,
        requests_per_minute=budget.config.requests_per_minute,
        tokens=tokens,
        tokens_per_minute=budget.config.tokens_per_minute,
        is_spent=budget.is_spent,
    )


def _journal(journal: SqlJournal) -> JournalVital:
    status = journal.status()
    return JournalVital(
        is_up=status.is_up,
        reason=status.reason,
        entries=status.last_seq,
        queued=status.queued,
        lost=sum(status.lost.values()),
        commit_ms=None if status.commit_s is None else round(status.commit_s * 1000, 3),
    )
