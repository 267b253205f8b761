"""The report at a terminal, whatever the journal knows and does not know."""

from decimal import Decimal

from rich.console import Console

from api.cli.journal.report import tables
from journal.reads.report import Report


def report(**changes):
    """Return a report of a quiet day."""
    facts = {
        "since_ns": 0,
        "until_ns": None,
        "decisions": 3,
        "by_outcome": {"held": 2, "ordered": 1},
        "by_reason": {},
        "authorized": 1,
        "denied": {},
        "orders": {},
        "symbols": (),
        "models": (),
        "fills": 1,
        "realized": Decimal("1.5"),
        "unrealized": Decimal(0),
        "fees": Decimal("0.25"),
        "model_cost_usd": 0.0,
    }
    return Report(**facts | changes)


def printed(told):
    """Return what a person reads."""
    out = Console(width=100, no_color=True)
    with out.capture() as capture:
        for table in tables(told):
            out.print(table)
    return capture.get()


def test_a_report_with_an_open_position_says_what_it_does_not_know():
    """It ended in a traceback: the journal holds no price of what is still open."""
    text = printed(report(unrealized=None))
    assert "unknown: a position is open" in text
    assert "1.25 USD" in text, "net of fees, without what is not known"


def test_a_report_without_open_positions_shows_dollars():
    """Nothing is open, so nothing is unknown."""
    assert "unknown" not in printed(report())


def test_an_order_that_still_works_is_not_called_ended():
    """Under `orders ended` stood the accepted ones too: the stops that rest at the venue."""
    text = printed(report(orders={"filled": 1, "accepted": 1}))
    assert "order state" in text
    assert "ended" not in text
