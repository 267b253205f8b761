"""Fuzz what REST answers: every reader of `broker.decode`, and the whole broker over real HTTP."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from api.proving.fuzz.mangler import Mangler
from api.proving.fuzz.samples import BODIES
from broker import decode
from broker.alpaca import AlpacaBroker, AlpacaBrokerConfig
from domain.errors import AutoHedgeError
from engine.clock import LiveClock
from exchange.config import ExchangeConfig, seeded_crypto, seeded_stock
from exchange.faults import Answer, Faults, Request
from exchange.matching.knobs import Knobs
from exchange.server import ExchangeServer


class BodyFuzz:
    """Spoil bodies and read them: each is read, or refused as a `ValueError`."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"bodies-{seed}")  # noqa: S311 - drawn cases, no secret
        self._mangler = Mangler(self._rng)
        self._names = sorted(BODIES)
        self.breaches: list[str] = []
        self.bodies = self.refused = 0

    def one(self) -> None:
        """Read one spoiled body; what is read must be fit for the journal."""
        name = self._rng.choice(self._names)
        raw = self._mangler.structure(BODIES[name])
        self.bodies += 1
        try:
            read = getattr(decode, name)(raw)
            msgspec.json.decode(msgspec.json.encode(read), type=type(read))
        except ValueError:
            self.refused += 1
        except Exception as error:  # noqa: BLE001 - any class is the finding
            self.breaches.append(f"{name}: {type(error).__name__}: {error} at {str(raw)[:300]}")


class Spoiler(Faults):
    """A venue whose every answer is spoiled on its way out."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"answers-{seed}")  # noqa: S311 - drawn cases, no secret
        self._mangler = Mangler(self._rng)

    async def after_request(self, _request: Request, answer: Answer) -> Answer:
        """Spoil the body as a structure or as bytes; now and then the status, too."""
        try:
            whole = msgspec.json.encode(self._mangler.structure(answer.body), enc_hook=str)
        except (ValueError, TypeError, RecursionError):
            whole = b"{"
        if self._rng.random() < 0.3:  # noqa: PLR2004 - three of ten
            whole = self._mangler.octets(whole or b"{}")
        status = self._rng.choice((200, 200, 200, 200, 404, 422, 500, 503))
        return Answer(status=status, body=whole, headers=answer.headers)


async def ask_spoiled(questions: int, seed: int, tell: Callable[[], None]) -> list[str]:
    """Put every question of the broker to a venue that spoils its answers; return the breaches."""
    rng = random.Random(f"questions-{seed}")  # noqa: S311 - drawn cases, no secret
    breaches: list[str] = []
    config = ExchangeConfig(
        symbols=(seeded_stock("AAPL", 228.0), seeded_crypto("BTC/USD", 86e3)),
        seed=seed,
        history_minutes=2,
        knobs=Knobs(requests_per_minute=1_000_000),
    )
    async with ExchangeServer(config, faults=Spoiler(seed)) as exchange:
        broker = AlpacaBroker(
            AlpacaBrokerConfig(
                key=exchange.key,
                secret=exchange.secret,
                rest_url=exchange.rest_url,
                requests_per_minute=1_000_000,
            ),
            LiveClock(),
        )
        asked = _questions(broker)
        try:
            for _ in range(questions):
                ask = rng.choice(asked)
                try:
                    await ask()
                except AutoHedgeError:
                    pass
                except Exception as error:  # noqa: BLE001 - any class is the finding
                    breaches.append(f"over HTTP: {type(error).__name__}: {error}")
                tell()
        finally:
            await broker.aclose()
        posted = exchange.venue.record.requests("POST", "/v2/orders")
        breaches += [f"an order was sent: {post.body}" for post in posted]
    return breaches


def _questions(broker: AlpacaBroker) -> list[Callable[[], Awaitable[Any]]]:
    return [
        broker.account,
        broker.positions,
        broker.open_orders,
        broker.clock,
        lambda: broker.instrument("BTC/USD"),
        lambda: broker.find("ah-0123-entry-1"),
        lambda: broker.sessions("2026-03-02", "2026-03-09"),
        lambda: broker.activities("2026-03-02T00:00:00Z"),
    ]
