"""Stand inside the exchange: see every order in its moment, and forge what the bot is told.

What is forged is only what goes out to the bot; matching and the venue's own quotes keep the truth,
and the truth is what orders are judged by.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from domain.records import NS_PER_S, Record
from exchange.faults import Answer, FaultPlan, Request
from exchange.market.records import MarketMessage, TopOfBook
from exchange.streams.endpoints import Stream
from exchange.streams.faults import Close, Frame, Freeze, LinkInfo

if TYPE_CHECKING:
    from exchange.venue import Venue

Forge = Callable[[MarketMessage], list[MarketMessage]]
Raw = Callable[[Callable[[int], Any]], dict[str, Any]]
Tamper = Callable[[Request, Any], Any]

POST_ORDERS = ("POST", "/v2/orders")
SEEN_S = 6.0
"""How long ago a quote may have been seen by whoever sends an order: its age limit and the way."""


class Sent(Record, frozen=True):
    """One order as it reached the exchange, and how things stood there in that moment.

    `lowest` and `highest` are the bid and ask between which the venue's own quotes lay within the
    age that a quote may have. Amounts are dollars; `exposed` and `held_usd` count working entries.
    """

    at_ns: int
    name: str
    symbol: str
    side: str
    quantity: Decimal
    limit: Decimal | None
    lowest: float
    highest: float
    held: Decimal
    held_usd: Decimal
    exposed: Decimal
    equity: Decimal
    status: int = 0

    @property
    def is_entry(self) -> bool:
        """Tell whether it opens; what bears no name of ours might."""
        return self.leg in {"entry", ""}

    @property
    def origin(self) -> str:
        """Return the decision or record that it is named after, empty for a strange name."""
        parts = self.name.split("-")
        return parts[1] if len(parts) == 4 and parts[0] == "ah" else ""  # noqa: PLR2004 - our form

    @property
    def leg(self) -> str:
        """Return the leg of our name, empty for a strange name."""
        return self.name.split("-")[2] if self.origin else ""

    @property
    def notional(self) -> Decimal:
        """Return what it costs at its limit."""
        return self.quantity * (self.limit or Decimal(repr(self.highest)))


class Watch(FaultPlan):
    """A fault plan that also records orders and forges market, state and frames."""

    def __init__(self, *, seed: int) -> None:
        super().__init__(seed=seed)
        self.sent: list[Sent] = []
        self.forges: dict[str, Forge] = {}
        self.forged: Counter[str] = Counter()
        self.tampers: list[Tamper] = []
        self.tampered = 0
        self._raws: list[tuple[str, Raw]] = []
        self._quotes: defaultdict[str, deque[tuple[int, float, float]]] = defaultdict(
            lambda: deque(maxlen=4000)
        )
        self._pending: dict[int, int] = {}

    def add_raw(self, symbol: str, *raws: Raw) -> None:
        """Put messages of any shape on the symbol's stream, each in a frame of its own."""
        self._raws += [(symbol, raw) for raw in raws]

    async def before_request(self, request: Request) -> Answer | None:
        """Record an order before anything happens to it."""
        if (request.method, request.path) == POST_ORDERS and isinstance(request.body, dict):
            self._pending[id(request)] = len(self.sent)
            self.sent.append(self._seen(request))
        answer = await super().before_request(request)
        if answer is not None:
            self._pending.pop(id(request), None)
        return answer

    async def after_request(self, request: Request, answer: Answer) -> Answer:
        """Note how the venue took an order; tamper with what it says."""
        at = self._pending.pop(id(request), None)
        if at is not None:
            self.sent[at] = _taken(self.sent[at], answer.status)
        if request.method == "GET" and answer.status == 200:  # noqa: PLR2004 - HTTP's own word
            for tamper in self.tampers:
                told = tamper(request, answer.body)
                if told != answer.body:
                    self.tampered += 1
                    answer = Answer(status=200, body=told, headers=answer.headers)
        return await super().after_request(request, answer)

    def before_publish(self, stream: Stream, messages: list[MarketMessage]) -> list[MarketMessage]:
        """Keep the venue's own quotes; forge what goes out."""
        told: list[MarketMessage] = []
        for message in messages:
            if isinstance(message, TopOfBook):
                self._keep(message)
            forge = self.forges.get(message.symbol)
            if forge is None:
                told.append(message)
            else:
                self.forged[message.symbol] += 1
                told += forge(message)
        return super().before_publish(stream, told)

    async def before_send(self, link: LinkInfo, frame: Frame) -> Sequence[Frame | Close | Freeze]:
        """Send the frames of strange shape after one that is as it should be."""
        going = await super().before_send(link, frame)
        mine = [each for each in self._raws if _is_of(link, each[0])]
        if not mine or not frame.count:
            return going
        self._raws = [each for each in self._raws if each not in mine]
        codec = link.codec
        raws = []
        for symbol, raw in mine:
            self.forged[symbol] += 1
            data = codec.frame([codec.encode(raw(codec.stamp))])
            raws.append(Frame(data, codec.is_text, 1))
        return [*going, *raws]

    def _keep(self, message: TopOfBook) -> None:
        """Keep what matching holds the quote to be: it hears before the streams do."""
        venue, symbol = self._venue, message.symbol
        quote = venue.quote(symbol) if venue and symbol in venue.instruments else None
        if quote is not None:
            self._quotes[symbol].append((message.published_ns, quote.bid, quote.ask))

    def _seen(self, request: Request) -> Sent:
        venue, fields = self._venue, request.body
        assert venue is not None
        symbol = str(fields.get("symbol"))
        values = {compact(each["symbol"]): each for each in venue.positions()}
        working = _working(venue)
        here = values.get(compact(symbol), {})
        worth = sum((abs(Decimal(each["market_value"])) for each in values.values()), Decimal(0))
        lowest, highest = self._range(symbol, request.at_ns)
        return Sent(
            at_ns=request.at_ns,
            name=str(fields.get("client_order_id", "")),
            symbol=symbol,
            side=str(fields.get("side")),
            quantity=Decimal(str(fields.get("qty") or 0)),
            limit=None
            if fields.get("limit_price") is None
            else Decimal(str(fields["limit_price"])),
            lowest=lowest,
            highest=highest,
            held=Decimal(here.get("qty", 0)),
            held_usd=abs(Decimal(here.get("market_value", 0))) + working[compact(symbol)],
            exposed=worth + sum(working.values(), Decimal(0)),
            equity=Decimal(venue.account()["equity"]),
        )

    def _range(self, symbol: str, at_ns: int) -> tuple[float, float]:
        """Return the lowest bid and highest ask of the venue's own quotes of late."""
        venue = self._venue
        now = venue.quote(symbol) if venue and symbol in venue.instruments else None
        since = at_ns - SEEN_S * NS_PER_S
        kept = self._quotes[symbol]
        late = [(bid, ask) for seen_ns, bid, ask in kept if seen_ns >= since]
        sides = late or [(bid, ask) for _, bid, ask in list(kept)[-1:]]
        sides += [(now.bid, now.ask)] if now else []
        if not sides:
            return 0.0, 0.0
        return min(bid for bid, _ in sides), max(ask for _, ask in sides)


def compact(symbol: str) -> str:
    """Return a symbol as positions spell it."""
    return symbol.replace("/", "")


def _working(venue: Venue) -> defaultdict[str, Decimal]:
    """Return what entries at work may still cost, by compact symbol."""
    costs: defaultdict[str, Decimal] = defaultdict(Decimal)
    for order in venue.orders():
        if "-entry-" in order["client_order_id"] and order["limit_price"] is not None:
            left = Decimal(order["qty"]) - Decimal(order["filled_qty"])
            costs[compact(order["symbol"])] += left * Decimal(order["limit_price"])
    return costs


def _taken(sent: Sent, status: int) -> Sent:
    fields = {name: getattr(sent, name) for name in sent.__struct_fields__}
    return Sent(**fields | {"status": status})


def _is_of(link: LinkInfo, symbol: str) -> bool:
    return ("crypto" in link.endpoint) is ("/" in symbol) and "news" not in link.endpoint
