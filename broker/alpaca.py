"""Act at Alpaca, paper or live, through alpaca-py's REST client and our own order stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from alpaca.common.enums import BaseURL

from broker import decode
from broker.errors import Ask, is_duplicate
from broker.rest import LineUse, Question, RestConfig, RestLine
from broker.updates import UpdatesConfig, UpdatesLine
from domain.account import Account, Activity, Position
from domain.errors import BrokerError, BrokerRefused, ConfigError, OrderRejected, OutcomeUnknown
from domain.market import AssetClass, Instrument
from domain.orders import Order, OrderReport, Purpose, to_alpaca
from domain.ports import Clock, OrderUpdate, VenueTime
from domain.records import format_ns, parse_ns
from domain.risk import AuthorizedOrder

T = TypeVar("T")

PAGE = 500
ACTIVITIES_PAGE, ACTIVITIES_PAGES = 100, 50
_MICROSECOND = 1_000
_NOT_FOUND, _NOT_PROCESSABLE = 404, 422
_GROUPS = frozenset({"bracket", "oco", "oto"})
_ASSET_CLASSES = {AssetClass.STOCK: "us_equity", AssetClass.CRYPTO: "crypto"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlpacaBrokerConfig:
    """Say which account to act on and how long to wait. The secret never prints.

    `rest_url` (without `/v2`) and `stream_url` (whole, with its path) are for other venues that
    speak the same protocol; none means Alpaca's own. `is_msgpack` asks the stream for msgpack.
    """

    key: str
    secret: str = field(repr=False)
    paper: bool = True
    rest_url: str | None = None
    stream_url: str | None = None
    connect_timeout_s: float = 3.0
    deadline_s: float = 10.0
    requests_per_minute: int = 180
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    refused_backoff_s: float = 60.0
    is_msgpack: bool = False

    @property
    def rest(self) -> RestConfig:
        """Return what the REST line needs."""
        return RestConfig(
            key=self.key,
            secret=self.secret,
            paper=self.paper,
            url=self.rest_url,
            connect_timeout_s=self.connect_timeout_s,
            deadline_s=self.deadline_s,
            requests_per_minute=self.requests_per_minute,
        )

    @property
    def updates(self) -> UpdatesConfig:
        """Return what the order stream needs."""
        host = BaseURL.TRADING_PAPER if self.paper else BaseURL.TRADING_LIVE
        return UpdatesConfig(
            key=self.key,
            secret=self.secret,
            url=self.stream_url or f"{host.value.replace('https://', 'wss://')}/stream",
            deadline_s=self.deadline_s,
            backoff_s=self.backoff_s,
            backoff_max_s=self.backoff_max_s,
            refused_backoff_s=self.refused_backoff_s,
            is_msgpack=self.is_msgpack,
        )


class AlpacaBroker:
    """Implement `domain.ports.Broker` over alpaca-py's REST client and our own order stream.

    Only the gateway may call `submit` and `cancel`. Nothing here retries: a retry is a decision
    about money, and it is the gateway's.
    """

    def __init__(self, config: AlpacaBrokerConfig, clock: Clock) -> None:
        self._rest = RestLine(config.rest)
        self._updates = UpdatesLine(config.updates, clock)

    @property
    def use(self) -> LineUse:
        """Return how much of the request rate is used, and how long the last answers took."""
        return self._rest.use

    async def submit(self, order: AuthorizedOrder) -> OrderReport:
        """Send once; raises `NotSent`, `RateLimited`, `OrderRejected` or `OutcomeUnknown`.

        A key that the venue refuses raises `BrokerRefused`: nothing moved. "Must be unique" is no
        rejection: an earlier sending of this very order arrived, so the venue is asked for it.
        """
        request = order.request
        question = Question(
            method="POST",
            path="/orders",
            data=to_alpaca(request),
            ask=Ask.SUBMIT,
            is_urgent=request.purpose is not Purpose.ENTRY,
        )
        try:
            raw = await self._rest.ask(question)
        except OrderRejected as refused:
            if not is_duplicate(refused):
                raise
            return await self._sent_before(request.client_order_id)
        try:
            return decode.order_report(raw)
        except ValueError as e:
            raise OutcomeUnknown(f"The venue took the order; its answer is unreadable: {e}") from e

    async def cancel(self, order: Order) -> None:
        """Ask for a cancel; the terminal event comes by stream. Raises as `submit` does."""
        if order.venue_order_id is None:
            raise OutcomeUnknown(f"The venue's id of {order.client_order_id} is not known yet.")
        path = f"/orders/{quote(order.venue_order_id, safe='')}"
        await self._rest.ask(Question(method="DELETE", path=path, ask=Ask.CANCEL, is_urgent=True))

    async def find(self, client_order_id: str) -> OrderReport | None:
        """Look an order up by our own id; none is a miss, not a proof. Raises `BrokerError`.

        The look-up does not nest (its page knows no such parameter), so an order of a group is
        asked for once more by the venue's id, with its legs: they are protection, or hold it up.
        """
        question = Question(
            method="GET",
            path="/orders:by_client_order_id",
            data={"client_order_id": client_order_id},
            is_urgent=True,
        )
        try:
            raw = await self._rest.ask(question)
        except BrokerRefused as refused:
            if refused.status == _NOT_FOUND:
                return None
            raise
        report = _read(decode.order_report, raw)
        if report.legs or report.order_class not in _GROUPS:
            return report
        path = f"/orders/{quote(report.venue_order_id, safe='')}"
        nested = Question(method="GET", path=path, data={"nested": "true"}, is_urgent=True)
        return _read(decode.order_report, await self._rest.ask(nested))

    async def open_orders(self) -> Sequence[OrderReport]:
        """List every working order of the account, brackets with their legs."""
        return await self._orders({"status": "open"})

    async def orders_since(self, since: str) -> Sequence[OrderReport]:
        """List orders of any state submitted after an RFC 3339 time, oldest first."""
        return await self._orders({"status": "all", "after": since})

    async def positions(self) -> Sequence[Position]:
        """List every position of the account, in our spelling of symbols."""
        return _read_all(decode.position, await self._get("/positions"))

    async def account(self) -> Account:
        """Return the account."""
        return _read(decode.account, await self._get("/account"))

    async def activities(self, since: str) -> Sequence[Activity]:
        """List what happened to the account after an RFC 3339 time, oldest first.

        The venue pages by the last id seen, a hundred at a time (its activities page). Raises
        `BrokerRefused` for a history too long to be read whole: a part would explain too little.
        """
        query = {"after": since, "direction": "asc", "page_size": str(ACTIVITIES_PAGE)}
        found: list[Activity] = []
        for _ in range(ACTIVITIES_PAGES):
            page = _read_all(decode.activity, await self._get("/account/activities", query))
            found.extend(page)
            if len(page) < ACTIVITIES_PAGE:
                return found
            query = {**query, "page_token": page[-1].id}
        raise BrokerRefused(
            f"The account has more than {len(found)} activities since {since}.",
            remedy="Look at the venue's own account page.",
        )

    async def instrument(self, symbol: str) -> Instrument:
        """Return the symbol's rules; raises `ConfigError` for one the venue does not know."""
        try:
            raw = await self._get(f"/assets/{quote(symbol, safe='')}")
        except BrokerRefused as refused:
            if refused.status not in {_NOT_FOUND, _NOT_PROCESSABLE}:
                raise
            raise ConfigError(
                f"The venue does not know the symbol {symbol}.",
                remedy="Mend TRADING_SYMBOLS.",
                code="SYMBOL_UNKNOWN",
            ) from refused
        return _read(decode.instrument, raw)

    async def instruments(self, asset_class: AssetClass) -> Sequence[Instrument]:
        """List what the venue trades in one class."""
        query = {"status": "active", "asset_class": _ASSET_CLASSES[asset_class]}
        return _read_all(decode.instrument, await self._get("/assets", query))

    async def clock(self) -> VenueTime:
        """Return the venue's clock."""
        return _read(decode.venue_time, await self._get("/clock"))

    async def sessions(self, start: str, end: str) -> Sequence[tuple[str, str]]:
        """Return (open, close) of each stock session between two dates, as RFC 3339."""
        query = {"start": start[:10], "end": end[:10]}
        return _read_all(decode.session, await self._get("/calendar", query))

    def updates(self) -> AsyncIterator[OrderUpdate]:
        """Yield order events and link changes until closed; reconnects by itself."""
        return self._updates.updates()

    async def aclose(self) -> None:
        """Close connections and threads."""
        await self._updates.aclose()
        self._rest.close()

    async def _get(self, path: str, query: dict[str, str] | None = None) -> Any:
        return await self._rest.ask(Question(method="GET", path=path, data=query))

    async def _orders(self, query: dict[str, str]) -> list[OrderReport]:
        """Page through orders, oldest first: the venue pages by submission time, 500 at most.

        The next page starts a microsecond before the last one's end, for two orders may share an
        instant; what was seen already is left out.
        """
        found: dict[str, OrderReport] = {}
        while True:
            asked = {**query, "limit": str(PAGE), "direction": "asc", "nested": "true"}
            page = _read_all(decode.order_report, await self._get("/orders", asked))
            fresh = [report for report in page if report.venue_order_id not in found]
            found.update((report.venue_order_id, report) for report in fresh)
            last = page[-1].ts_submitted if page else None
            if len(page) < PAGE or not fresh or last is None:
                return list(found.values())
            query = {**query, "after": format_ns(parse_ns(last) - _MICROSECOND)}

    async def _sent_before(self, client_order_id: str) -> OrderReport:
        """Return the order that holds our id; the venue may need a moment to show it.

        Whatever goes wrong with this question, the order itself is there: it stays unknown.
        """
        try:
            report = await self.find(client_order_id)
        except BrokerError as e:
            raise OutcomeUnknown(f"The venue has {client_order_id}; asking for it: {e}") from e
        if report is None:
            raise OutcomeUnknown(f"The venue has {client_order_id} and does not show it yet.")
        return report


def _read(decoder: Callable[[Any], T], raw: Any) -> T:
    try:
        return decoder(raw)
    except ValueError as e:
        raise BrokerRefused(f"The venue's answer is unreadable: {e}") from e


def _read_all(decoder: Callable[[Any], T], raw: Any) -> list[T]:
    if not isinstance(raw, list):
        raise BrokerRefused(f"The venue's answer is not a list but {type(raw).__name__}.")
    return [_read(decoder, item) for item in raw]
