"""Say of each denial code what it means and what a person can do about it."""

from __future__ import annotations

from collections.abc import Mapping

from domain.limits.codes import Code
from domain.records import Record


class Meaning(Record, frozen=True):
    """What denied an order, and what to do; most pass by themselves or are the limit's purpose."""

    what: str
    remedy: str


_PASSES = "Nothing: it passes."


def _m(what: str, remedy: str = _PASSES) -> Meaning:
    return Meaning(what=what, remedy=remedy)


MEANINGS: Mapping[Code, Meaning] = {
    Code.TRADING_HALTED: _m(
        "Trading is halted: by a person, a stop, or a rule.",
        "`/status` names code and reason; `POST /resume` with that code when it is resolved.",
    ),
    Code.REDUCE_ONLY: _m(
        "Trading may only reduce, or somebody else traded this symbol.",
        "`POST /resume` with the code that `/status` names; `MANUAL_TRADE` for a symbol.",
    ),
    Code.NOT_RECONCILED: _m(
        "The last look at the venue did not agree with the journal, or there was none yet.",
        "Wait for the next look; if it stays, `autohedge reconcile` shows what differs.",
    ),
    Code.JOURNAL_DOWN: _m(
        "The order could not be written down first.",
        "Look at disk and database; the journal comes back by itself.",
    ),
    Code.FEED_STALE: _m(
        "The symbol's stream is lost or its market is halted.",
        "It reconnects by itself; `autohedge doctor` if it does not.",
    ),
    Code.MARKET_CLOSED: _m(
        "The market is closed, has just opened, or is about to close.",
        "Wait, or change `OPEN_DELAY_S` and `CLOSE_CUTOFF_S`.",
    ),
    Code.SYMBOL_NOT_ALLOWED: _m(
        "The symbol is not traded here.", "Add it to `TRADING_SYMBOLS` and restart."
    ),
    Code.ASSET_NOT_TRADABLE: _m(
        "The venue does not trade it now, or its rules are not those of the order.",
        "`GET /assets` shows the venue's rules.",
    ),
    Code.PRECISION: _m(
        "Quantity or price is no multiple of the venue's step, or the order is malformed.",
        "A fault of ours: report it with the decision's id.",
    ),
    Code.CROSSES_ZERO: _m(
        "An exit would close more than is left, and open the other side.",
        "Nothing: what is held is already being closed.",
    ),
    Code.QUOTE_MISSING: _m("There is no quote to hold the order against."),
    Code.QUOTE_STALE: _m(
        "The last quote is too old, or stamped ahead of our clock, and no fresh one came.",
        "Wait; on IEX quiet symbols quote seldom: `STOCK_FEED=sip`, or raise `QUOTE_MAX_AGE_S`.",
    ),
    Code.SPREAD_TOO_WIDE: _m(
        "Bid and ask lie too far apart; IEX alone is not the national best.",
        "Wait, take `STOCK_FEED=sip`, or raise `MAX_SPREAD_BPS`.",
    ),
    Code.CLOCK_SKEW: _m(
        "This machine's clock and the venue's differ too much.",
        "Synchronise the clock (chrony, systemd-timesyncd).",
    ),
    Code.DECISION_STALE: _m(
        "The window or the approval that the order rests on is too old.",
        "Nothing: the next decision is fresh. If often, the model is slow: see the latencies.",
    ),
    Code.PRICE_MOVED: _m(
        "The price has moved since the window was taken.", "Nothing: the next decision sees it."
    ),
    Code.PRICE_OUTSIDE_COLLAR: _m(
        "The limit price lies too far from the quote.", "Nothing, or change `COLLAR_BPS`."
    ),
    Code.ACCOUNT_STALE: _m(
        "The last answer about the account is too old.",
        "It is asked every 30 s; `autohedge doctor` if the venue does not answer.",
    ),
    Code.FOREIGN_POSITION: _m(
        "Somebody else holds the symbol in this account.",
        "Close it yourself, or take it over at the first start: `ADOPT_POSITIONS=yes`.",
    ),
    Code.DUPLICATE_ORDER: _m(
        "The symbol is held already, or an entry of this name or symbol is under way.",
        "Nothing: one entry a symbol.",
    ),
    Code.SHORT_NOT_ALLOWED: _m(
        "A sale without a position is a short.", "`ALLOW_SHORT=yes`, for whole shares of stocks."
    ),
    Code.STOP_ON_WRONG_SIDE: _m(
        "Stop or target lies on the wrong side of the price, or a stop is missing.",
        "Nothing: the agents erred.",
    ),
    Code.STOP_DISTANCE: _m(
        "The stop lies too near or too far, in average true ranges.",
        "Nothing, or change `STOP_MIN_ATR` and `STOP_MAX_ATR`.",
    ),
    Code.REWARD_TOO_SMALL: _m(
        "The target is too near for what the stop risks.", "Nothing, or change `MIN_REWARD_RISK`."
    ),
    Code.DAILY_LOSS_REACHED: _m(
        "The day's loss has reached its limit.",
        "Read the day's decisions, then `POST /resume` with the code.",
    ),
    Code.DRAWDOWN_REACHED: _m(
        "The fall from the highest equity has reached its limit.",
        "Read the report, then `POST /resume` with the code.",
    ),
    Code.NOTIONAL_BELOW_MIN: _m(
        "The order is smaller than the venue takes; it is never rounded up.",
        "Raise `MAX_ORDER_AMOUNT`, or leave the symbol out.",
    ),
    Code.NOTIONAL_EXCEEDS_MAX: _m(
        "The order costs more than one entry may.", "Nothing, or raise `MAX_ORDER_AMOUNT`."
    ),
    Code.RISK_EXCEEDS_MAX: _m(
        "At its stop the order would lose more than one entry may.",
        "Nothing, or raise `MAX_RISK_PER_TRADE`.",
    ),
    Code.POSITION_LIMIT_EXCEEDED: _m(
        "The symbol would be held beyond its limit.", "Nothing, or raise `MAX_POSITION_FRACTION`."
    ),
    Code.EXPOSURE_LIMIT_EXCEEDED: _m(
        "All positions together would pass their limit.",
        "Nothing, or raise `MAX_EXPOSURE_FRACTION`.",
    ),
    Code.BUYING_POWER_EXCEEDED: _m(
        "The account's buying power does not cover it; crypto counts cash alone.",
        "Nothing, or lower `MAX_ORDER_AMOUNT`.",
    ),
    Code.OPEN_ORDERS_LIMIT: _m(
        "As many entries work as may.", "Nothing, or raise `MAX_OPEN_ORDERS`."
    ),
    Code.ORDER_RATE_EXCEEDED: _m(
        "As many orders were sent within the minute as may.",
        "Nothing, or raise `MAX_ORDERS_PER_MINUTE`.",
    ),
}
