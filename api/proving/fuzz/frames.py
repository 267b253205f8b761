"""Fuzz what the sockets bring: market frames into the store, order events into the reducer."""

from __future__ import annotations

import math
import random
from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec

from api.proving.fuzz.mangler import Mangler
from api.proving.fuzz.samples import EVENT, FRAMES, ORDER, SYMBOLS
from broker.updates import events_of
from domain.orders import Order, OrderEvent, OrderRequest, apply, fill_of
from domain.records import parse_ns
from engine.clock import ManualClock
from engine.watching.market import MarketEars
from feeds.alpaca.decoder import TIME_KEYS, FrameDecoder
from feeds.alpaca.wire import text_stamp
from feeds.calendar import AlwaysOpenCalendar
from feeds.store import RollingStore, StoreConfig

NOW = "2026-03-02T15:04:06.000000000Z"
LOOK_EVERY = 500
"""Frames between two looks at everything that the agents would see."""


class MarketFuzz:
    """Spoil market frames and look at what the store would show the agents."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"frames-{seed}")  # noqa: S311 - drawn cases, no secret
        self._mangler = Mangler(self._rng)
        self._clock = ManualClock(parse_ns(NOW))
        self._decoder = FrameDecoder()
        self._store = RollingStore(
            StoreConfig(symbols=SYMBOLS, interval_s=1, window_bars=50, warmup_bars=5),
            listener=MarketEars(_nobody),
            clock=self._clock,
            calendar=AlwaysOpenCalendar(),
        )
        self.breaches: list[str] = []
        self.frames = 0

    @property
    def rejects(self) -> Counter[str]:
        """Return what was dropped, by reason."""
        return self._decoder.rejects + self._store.counts()

    async def one(self) -> None:
        """Take one frame; a crash or a price that is none is a breach."""
        frame, is_text = self._frame()
        self.frames += 1
        try:
            decode = self._decoder.decode_text if is_text else self._decoder.decode
            self._store.apply_frame(decode(frame))
            if self.frames % LOOK_EVERY == 0:
                await self._clock.advance(1.0)
                self._store.close_due(self._clock.now_ns())
                self._look()
        except Exception as error:  # noqa: BLE001 - any class is the finding
            self.breaches.append(f"{type(error).__name__}: {error} at {frame[:300]!r}")

    def _frame(self) -> tuple[bytes, bool]:
        rng = self._rng
        messages = [dict(rng.choice(FRAMES)) for _ in range(rng.randint(1, 4))]
        is_text = rng.choice((True, False))
        spoiled = rng.choices(("structure", "octets", "nothing"), (7, 2, 1))[0]
        if spoiled == "structure":
            at = rng.randrange(len(messages))
            messages[at] = self._mangler.structure(messages[at])
        whole = _text(messages) if is_text else _packed(messages)
        return (self._mangler.octets(whole) if spoiled == "octets" else whole), is_text

    def _look(self) -> None:
        for symbol in SYMBOLS:
            view = self._store.view(symbol)
            shown: list[float | None] = list(view.indicators.values())
            if view.quote is not None:
                shown += [view.quote.bid, view.quote.ask]
            for bar in (*view.bars, *([view.forming_bar] if view.forming_bar else [])):
                shown += [bar.o, bar.h, bar.l, bar.c, bar.v]
                if not bar.l <= min(bar.o, bar.c) <= max(bar.o, bar.c) <= bar.h or bar.l <= 0:
                    self.breaches.append(f"{symbol}: no candle: {bar}")
            if not all(value is None or math.isfinite(value) for value in shown):
                self.breaches.append(f"{symbol}: not finite: {view}")


class OrderEventFuzz:
    """Spoil order events and hold the reducer's laws against whatever is still read."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"events-{seed}")  # noqa: S311 - drawn cases, no secret
        self._mangler = Mangler(self._rng)
        self._order = _working_order()
        self.breaches: list[str] = []
        self.frames = self.unreadable = self.applied = 0

    def one(self) -> None:
        """Take one frame of the order stream."""
        rng = self._rng
        message = rng.choice((self._mangler.structure(EVENT), EVENT))
        whole = rng.choice((_text, _packed))([message])
        frame = rng.choice((self._mangler.octets(whole), whole, whole, whole))
        self.frames += 1
        try:
            events = events_of(frame, NOW)
        except ValueError:
            self.unreadable += 1
            return
        except Exception as error:  # noqa: BLE001 - any class is the finding
            self.breaches.append(f"{type(error).__name__}: {error} at {frame[:300]!r}")
            return
        for event in events:
            self._apply(event, frame)

    def _apply(self, event: OrderEvent, frame: bytes) -> None:
        before = self._order
        if event.client_order_id != before.client_order_id:
            return
        self.applied += 1
        try:
            after, fill = apply(before, event), fill_of(before, event)
            msgspec.json.encode(after)
        except Exception as error:  # noqa: BLE001 - any class is the finding
            self.breaches.append(f"{type(error).__name__}: {error} at {frame[:300]!r}")
            return
        is_sound = (
            after.filled_quantity.is_finite()
            and 0 <= after.filled_quantity <= max(after.request.quantity, Decimal(0))
            and (fill is None or (fill.quantity > 0 and fill.price > 0))
        )
        if not is_sound:
            self.breaches.append(f"the reducer took {frame[:300]!r}")


def _working_order() -> Order:
    """Return the order that the sample events are about, accepted and unfilled."""
    request = msgspec.convert(
        {
            "decision_id": "0123", "leg": "entry", "symbol": "AAPL", "side": "buy",
            "quantity": "3", "order_type": "limit", "limit_price": "106", "time_in_force": "gtc",
            "reference_price": "105.9", "valid_until": NOW, "client_order_id": "ah-0123-entry-1",
            "stop_loss": "100", "take_profit": "120", "order_class": "bracket",
        },
        type=OrderRequest,
    )  # fmt: skip
    return msgspec.convert(
        {"request": msgspec.to_builtins(request), "state": "accepted",
         "venue_order_id": ORDER["id"]},
        type=Order,
    )  # fmt: skip


def _text(messages: list[Any]) -> bytes:
    return msgspec.json.encode(messages, enc_hook=str)


def _packed(messages: list[Any]) -> bytes:
    try:
        return msgspec.msgpack.encode([_stamped(message) for message in messages])
    except (OverflowError, ValueError, TypeError, RecursionError):
        return _text(messages)


def _stamped(message: Any) -> Any:
    """Write times as the venue's MessagePack does, where they are still times."""
    if not isinstance(message, dict):
        return message
    stamped = dict(message)
    for key in TIME_KEYS:
        try:
            stamped[key] = text_stamp(message[key])
        except (KeyError, ValueError, TypeError, OverflowError):
            continue
    return stamped


def _nobody(_kind: str, _body: Any) -> None:
    """Publish to nobody."""
