"""Move the market: what becomes public goes to matching first, then to the streams."""

from exchange.market.board import Board
from exchange.market.history import is_last_price
from exchange.market.minute import NS_PER_MINUTE
from exchange.market.records import Article, Halt, MarketMessage, Print, TopOfBook
from exchange.streams.endpoints import Stream
from exchange.streams.hub import Hub
from exchange.venue import Venue

_DELAY_NS = 15 * NS_PER_MINUTE
_MOST_A_STEP_NS = NS_PER_MINUTE  # a market too fast for the machine lags, it does not freeze


class Player:
    """Advance the boards to the venue's now, in one synchronous step at a time.

    `delayed_sip` tells what the stocks stream told fifteen minutes ago.
    """

    def __init__(self, venue: Venue, hub: Hub, board: Board, test_board: Board) -> None:
        self._venue = venue
        self._hub = hub
        self._board = board
        self._test_board = test_board
        self._delayed_ns = board.public_ns - _DELAY_NS
        self._last_print_ns: dict[str, int] = {}
        self._prime(board.public_ns)

    def step(self) -> bool:
        """Publish what is due, a minute at most; return whether the market has caught up to now."""
        clock_ns = self._venue.clock.now_ns()
        now_ns = min(clock_ns, self._board.public_ns + _MOST_A_STEP_NS)
        messages = self._board.advance(now_ns)
        for message in messages:
            self._match(message)
        self._venue.advance()
        for stream, part in _by_stream(messages).items():
            self._hub.publish(stream, part)
        if told := self._test_board.advance(now_ns):
            self._hub.publish(Stream.TEST, told)
        self._publish_delayed(now_ns)
        return now_ns == clock_ns

    def _match(self, message: MarketMessage) -> None:
        """Let matching see quotes, halts, and prints that are a last price and not late."""
        match message:
            case TopOfBook(symbol, ts, _, bid, bid_size, ask, ask_size):
                self._venue.on_quote(symbol, bid, bid_size, ask, ask_size, ts)
            case Print(symbol, ts, _, price, size) if is_last_price(message):
                if ts >= self._last_print_ns.get(symbol, 0):
                    self._last_print_ns[symbol] = ts
                    self._venue.on_trade(symbol, price, size, ts)
            case Halt(symbol, is_halted=is_halted):
                self._venue.set_status(symbol, halted=is_halted)
            case _:
                pass

    def _prime(self, as_of_ns: int) -> None:
        """Tell matching the last quote and print of the past, so that it can trade at once."""
        for history in self._board.histories.values():
            for message in (history.last_quote(as_of_ns), history.last_print(as_of_ns)):
                if message:
                    self._match(message)

    def _publish_delayed(self, now_ns: int) -> None:
        if self._hub.listens(Stream.DELAYED):
            told = self._board.between(self._delayed_ns, now_ns - _DELAY_NS)
            self._hub.publish(Stream.DELAYED, _by_stream(told).get(Stream.STOCKS, []))
        self._delayed_ns = now_ns - _DELAY_NS


def _by_stream(messages: list[MarketMessage]) -> dict[Stream, list[MarketMessage]]:
    found: dict[Stream, list[MarketMessage]] = {}
    for message in messages:
        found.setdefault(_stream_of(message), []).append(message)
    return found


def _stream_of(message: MarketMessage) -> Stream:
    if isinstance(message, Article):
        return Stream.NEWS
    return Stream.CRYPTO if "/" in message.symbol else Stream.STOCKS
