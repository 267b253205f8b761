"""Play the shipped tape of real ticks, at speed, through socket, store, graph and journal."""

from __future__ import annotations

from domain.records import NS_PER_S, parse_ns
from engine.clock import ScaledClock
from exchange.config import shipped_tape
from exchange.tapes import ES_SYMBOL

SPEED = 20.0
LEAST = 5
INTERVAL_S = 5


async def test_the_real_tape_is_decided_upon_faster_than_it_happened(open_house, until):
    """Windows hold closed bars alone, and the store's last trade is the venue's own."""
    tape = shipped_tape(start_minutes=330)
    async with open_house(tape, speed=SPEED, history_minutes=60) as house:
        venue = house.exchange.venue
        clock = ScaledClock(venue.clock.now_ns, speed=SPEED)
        settings = {"ANALYST": "rules", "BAR_INTERVAL_S": INTERVAL_S, "COOLDOWN_S": 10}
        async with house.bot(clock=clock, **settings, MAX_SKEW_S=60, FEED_MUTE_S=3600) as process:
            bot = process.bot
            bars = bot.status().symbols[0].bars

            def is_decided():
                return bot.status().decisions >= LEAST

            await until(is_decided, what="the rules decide")
            (seen,) = bot.status().symbols
            assert seen.bars > bars
            assert not seen.is_stale

            def is_level():
                return bot.status().symbols[0].last_price == venue.trade(ES_SYMBOL).price

            await until(is_level, what="the store's last trade is the venue's")
            await bot.stop(actor="test")

            async def journaled():
                page = await bot.reader().decisions.page(limit=100)
                return page.items if len(page.items) >= LEAST else None

            for row in await until(journaled, 5):
                window = await bot.reader().decisions.window(row.window_digest)
                as_of = parse_ns(row.as_of)
                opened = parse_ns(window["bars"][-1][0])
                quoted = parse_ns(window["quote"]["ts_event"])
                assert as_of - opened >= INTERVAL_S * NS_PER_S
                assert quoted <= as_of
                assert window["quote"]["bid"] < window["quote"]["ask"]
            assert (await bot.reader().verify_chain()).is_sound
