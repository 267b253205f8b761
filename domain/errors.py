"""Name every failure once, with who recovers and whether money may have moved.

The whole tree::

    AutoHedgeError
    ├── ConfigError            the person at the keyboard: a setting, a file or a window is wrong
    ├── FeedError              the feed reconnects; no money moved
    │   ├── Disconnected       the link is gone; its symbols are stale until the gap is filled
    │   ├── BadMessage         one message is dropped and counted; the link stays
    │   ├── FeedLimited        the venue asks for a pause (`retry_after_s`); ask again then
    │   └── FeedRefused        the venue will not serve us (key, plan, limit); an operator must act
    ├── AnalystError           the run abstains with this reason; no money moved
    │   ├── AnalystUnavailable the endpoint is down or refuses
    │   ├── AnalystTimeout     the answer missed its deadline
    │   ├── AnalystRateLimited the endpoint asks for a pause (`retry_after_s`)
    │   ├── InvalidAnswer      the answer is outside its schema after one repair
    │   └── BudgetSpent        our own budget of requests, tokens or dollars is used up
    ├── BrokerError            the gateway; whether money moved depends on the class
    │   ├── NotSent            nothing left this machine: safe to retry with the same id
    │   ├── RateLimited        refused before acceptance: safe to retry later (`retry_after_s`)
    │   ├── OrderRejected      final and proven: nothing moved
    │   ├── BrokerRefused      the venue refused a question or our key; nothing moved
    │   └── OutcomeUnknown     money may have moved: ask the venue, never resend
    ├── JournalError           entries halt; protection goes to the spool
    │   └── JournalTooNew      the database belongs to a newer version; nothing was touched
    └── InvariantBroken        a law of ours does not hold: halt
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domain.decisions import Call


class AutoHedgeError(Exception):
    """Root of everything we raise on purpose; `remedy` says what a person can do."""

    code = "ERROR"

    def __init__(self, message: str, *, remedy: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy
        if code is not None:
            self.code = code

    @property
    def line(self) -> str:
        """Return one line for a person: what is wrong, then what to do."""
        return f"{self.args[0]} {self.remedy}".strip()


class ConfigError(AutoHedgeError):
    """A setting, a file or a window is wrong; a person mends it. Nothing was started."""

    code = "CONFIG_INVALID"


class FeedError(AutoHedgeError):
    """Market data failed; the feed recovers by itself unless a subclass says otherwise."""

    code = "FEED_FAILED"


class Disconnected(FeedError):
    """The link is gone; its symbols are stale until the gap is back-filled."""

    code = "FEED_DISCONNECTED"


class BadMessage(FeedError):
    """One message could not be understood; it is counted and dropped."""

    code = "FEED_BAD_MESSAGE"


class FeedRefused(FeedError):
    """The venue will not serve this stream (key, plan or limit): an operator must act."""

    code = "FEED_REFUSED"


class FeedLimited(FeedError):
    """The venue answers no more questions for `retry_after_s` seconds."""

    code = "HISTORY_LIMITED"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class AnalystError(AutoHedgeError):
    """An agent gave no usable answer; the run abstains. Nothing was ordered.

    `calls` are the questions that were asked all the same, so that they are journaled and paid for.
    """

    code = "ANALYST_FAILED"
    calls: tuple[Call, ...] = ()


class AnalystUnavailable(AnalystError):
    """The model endpoint is down or refuses to answer."""

    code = "ANALYST_UNAVAILABLE"


class AnalystTimeout(AnalystError):
    """The answer missed its deadline."""

    code = "ANALYST_TIMEOUT"


class AnalystRateLimited(AnalystError):
    """The endpoint asks for a pause of `retry_after_s` seconds."""

    code = "ANALYST_RATE_LIMITED"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class InvalidAnswer(AnalystError):
    """The answer is outside its schema, also after one repair."""

    code = "ANALYST_INVALID_ANSWER"


class BudgetSpent(AnalystError):
    """Our own budget of requests, tokens or dollars is used up."""

    code = "BUDGET_SPENT"


class BrokerError(AutoHedgeError):
    """The venue or the way to it failed; the subclass says whether money may have moved."""

    code = "BROKER_FAILED"


class NotSent(BrokerError):
    """Nothing left this machine: safe to retry with the same id."""

    code = "BROKER_NOT_SENT"


class RateLimited(BrokerError):
    """Refused before acceptance: safe to retry after `retry_after_s` seconds."""

    code = "BROKER_RATE_LIMITED"

    def __init__(self, message: str, *, retry_after_s: float, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after_s = retry_after_s


class OrderRejected(BrokerError):
    """The venue refused this order for good; nothing moved. `reason` is its own text."""

    code = "ORDER_REJECTED"

    def __init__(self, message: str, *, reason: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status


class BrokerRefused(BrokerError):
    """The venue refused a question, or our key; nothing moved."""

    code = "BROKER_REFUSED"

    def __init__(self, message: str, *, status: int = 0, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class OutcomeUnknown(BrokerError):
    """Money may have moved: ask the venue for the client order id, never resend an entry."""

    code = "OUTCOME_UNKNOWN"


class JournalError(AutoHedgeError):
    """The journal cannot be written or read; entries halt, protection goes to the spool."""

    code = "JOURNAL_DOWN"


class JournalTooNew(JournalError):
    """The database was written by a newer version; nothing was touched."""

    code = "JOURNAL_TOO_NEW"


class InvariantBroken(AutoHedgeError):
    """A law of ours does not hold: trading halts."""

    code = "INVARIANT_BROKEN"
