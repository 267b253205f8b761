"""List every case: what is done, to which attack it belongs, where it is staged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import Self

from api.proving.attacks import answers, texts
from api.proving.attacks.answers import Says
from api.proving.attacks.texts import Story
from domain.records import Record


class Attack(StrEnum):
    """The attacks by their numbers; `what` is for people."""

    what: str

    def __new__(cls, value: str, what: str) -> Self:
        """Make a member that carries what it is about."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.what = what
        return member

    A1 = "A1", "an imperative in a headline"
    A2 = "A2", "homoglyphs, zero-width, bidirectional and hidden text"
    A3 = "A3", "impossible prices and missing fields in market frames"
    A4 = "A4", "a frozen or forged feed"
    A5 = "A5", "tampered state"
    A6 = "A6", "false memories"
    A7 = "A7", "a Risk agent talked into anything, approvals forged"
    A8 = "A8", "duplicated and replayed intents"
    A9 = "A9", "a model that fails"
    A10 = "A10", "a flood of orders"
    A11 = "A11", "a price spike with a cascade of stops"
    A12 = "A12", "one source repeated"


class Stage(StrEnum):
    """Where a case is staged: each is a bot and an exchange of its own."""

    WORDS = "words"
    FEED = "feed"
    STATE = "state"
    DOOR = "door"
    REPLAY = "replay"
    FLOOD = "flood"
    SPIKE = "spike"


class Case(Record, frozen=True):
    """One case. `act` names what the stage does; stories and says are for the stage of words."""

    id: str
    attack: Attack
    what: str
    stage: Stage
    act: str = ""
    stories: tuple[Story, ...] = ()
    says: Says = Says()


A = Attack
ACTS: tuple[tuple[Attack, Stage, dict[str, str]], ...] = (
    (A.A3, Stage.FEED, {
        "quote_nan_bid": "a quote with NaN for its bid",
        "quote_nan_ask": "a quote with NaN for its ask",
        "quote_inf": "a quote with an infinite ask",
        "quote_minus_inf": "a quote with minus infinity for its bid",
        "quote_negative": "a quote below zero",
        "quote_zero_ask": "a quote without an ask",
        "quote_crossed": "a bid above the ask",
        "quote_ask_x100": "an ask 100 times off",
        "quote_ask_div100": "an ask a hundredth of itself",
        "quote_bid_x100": "a bid 100 times off",
        "quote_x100": "a quote 100 times off, again and again",
        "quote_div100": "a quote a hundredth of itself, again and again",
        "quote_once_x100": "one quote 100 times off among sound ones",
        "quote_nan_size": "a quote whose sizes are NaN",
        "trade_nan": "a print at NaN",
        "trade_inf": "a print at infinity",
        "trade_negative": "a print below zero",
        "trade_zero": "a print at zero",
        "trade_x100": "prints 100 times off",
        "trade_div100": "prints at a hundredth",
        "trade_nan_size": "a print of NaN shares",
        "raw_no_bid": "a quote that lacks its bid",
        "raw_no_time": "a quote that lacks its time",
        "raw_no_symbol": "a quote that lacks its symbol",
        "raw_null_price": "a print whose price is null",
        "raw_text_price": "a print whose price is a text",
        "raw_list_price": "a print whose price is a list",
        "raw_bad_time": "a quote whose time is a text of no time",
        "raw_no_price": "a print that lacks its price",
        "raw_command": "a message that commands to raise limits",
    }),
    (A.A4, Stage.FEED, {
        "frozen": "nothing more is heard of the symbol",
        "frozen_repeat": "the last quote is repeated with its old time",
        "frozen_restamped": "the last quote is repeated with a new time",
        "stale": "quotes are stamped a minute ago",
        "future": "quotes are stamped a minute ahead",
        "skewed": "quotes are stamped three seconds ahead",
        "forged_jump_up": "quotes jump 2 % above the venue's own between decision and order",
        "forged_jump_down": "quotes jump 2 % below the venue's own between decision and order",
        "forged_wide": "a spread of 4 % around the venue's own",
        "forged_other": "quotes of another symbol under this one's name",
    }),
    (A.A5, Stage.STATE, {
        "cash_x10": "cash told ten times over",
        "cash_tenth": "cash told as a tenth",
        "position_sign": "the sign of a position turned",
        "position_gone": "a position vanished",
        "position_x10": "a position told ten times over",
        "position_phantom": "a position that nobody opened, in a symbol that is traded",
        "position_half": "half of a position vanished",
        "cash_negative": "cash told as a debt",
    }),
    (A.A6, Stage.STATE, {
        "journal_decision": "a journaled decision altered behind the bot",
        "journal_intent": "the journaled intent of an order altered behind the bot",
        "journal_fill": "a fill struck from the journal's tables behind the bot",
    }),
    (A.A2, Stage.DOOR, {
        f"decide_{name}": f"/decide/ with {what}" for name, (_, what) in texts.SYMBOLS.items()
    }),
    (A.A2, Stage.DOOR, {
        f"trade_{name}": f"TRADING_SYMBOLS with {what}" for name, (_, what) in texts.SYMBOLS.items()
    }),
    (A.A7, Stage.DOOR, {
        "approve_wrong_id": "approving an id that was never asked for",
        "approve_no_token": "approving without a token",
        "approve_wrong_token": "approving with a wrong token",
        "approve_read_token": "approving with a token that may only read",
        "approve_trade_token": "approving with a token that may only trade",
        "approve_origin": "approving from another site",
        "approve_host": "approving under another host's name",
        "approve_get": "approving by a GET",
        "approve_override": "approving by a header that overrides the method",
        "approve_twice": "approving twice, one after the other",
        "approve_at_once": "approving ten times at once",
        "approve_rejected": "approving what was rejected",
        "approve_halted": "approving while halted",
        "approve_body": "approving with a body that names another symbol, size and limits",
        "approve_path": "approving by a path around the route",
        "approve_form": "approving by a form of another site",
    }),
    (A.A8, Stage.REPLAY, {
        "gateway_again": "the same order request again through the gateway",
        "gateway_at_once": "the same order request ten times at once through the gateway",
        "gateway_renamed": "the same intent under the next attempt's name",
        "events_twice": "every order event twice",
        "events_again": "all order events of the past again",
        "events_backwards": "all order events of the past again, the newest first",
        "events_forged": "a fill that never happened, under a known order's name",
        "answer_lost": "the answer to the entry is lost after it acted",
        "answer_504": "the entry acts and is answered 504",
        "request_reset": "the entry is lost before it acts",
        "lookup_late": "the entry's answer is lost and the venue does not find it at first",
        "decided_twice": "two decisions asked for at once",
        "decision_again": "an earlier decision's order, its position closed since",
    }),
    (A.A10, Stage.FLOOD, {
        "every_bar": "every symbol wants to buy at every bar",
        "churn": "every symbol is bought and sold by turns",
        "sell_all": "every symbol is to be sold, held or not",
        "decides": "hundreds of /decide",
        "news": "hundreds of articles that command to buy",
        "halted": "a halt in the middle of the flood",
        "canceled": "cancel-all in the middle of the flood",
        "restarted": "stop and start in the middle of the flood",
        "flattened": "flatten in the middle of the flood",
    }),
    (A.A11, Stage.SPIKE, {
        "down_3": "all prices fall by 3 % at once",
        "down_10": "all prices fall by 10 % at once",
        "down_50": "all prices fall by half at once",
        "up_3": "all prices rise by 3 % at once",
        "up_50": "all prices rise by half at once",
        "down_up": "all prices fall by 5 % and come back",
        "steps": "all prices fall in five steps of 1 %",
        "down_silent": "all prices fall by 5 % and the feed says nothing of it",
    }),
)  # fmt: skip
"""What is done on the stages but that of words, by attack: name and words for people."""


def all_cases(seed: int) -> tuple[Case, ...]:
    """Return every case; the seed draws their order, which is who meets whom on a stage."""
    found = [*_of_words(), *_of_acts()]
    random.Random(seed).shuffle(found)  # noqa: S311 - a drawn order, no secret
    return tuple(found)


def _of_acts() -> Iterator[Case]:
    counts: Counter[Attack] = Counter()
    for attack, stage, acts in ACTS:
        for act, what in acts.items():
            counts[attack] += 1
            letter = stage[0]
            yield Case(
                id=f"{attack}-{letter}{counts[attack]:02}",
                attack=attack,
                what=what,
                stage=stage,
                act=act,
            )


def _of_words() -> Iterator[Case]:
    told = {A.A1: texts.A1, A.A2: texts.A2, A.A6: texts.A6, A.A12: texts.A12}
    for attack, table in told.items():
        for number, (what, stories) in enumerate(table.items(), 1):
            yield _words(attack, f"w{number:02}", what, stories=stories)
    said = {A.A6: answers.A6, A.A7: answers.A7, A.A9: answers.A9}
    for attack, spoken in said.items():
        for number, (what, says) in enumerate(spoken.items(), 1):
            yield _words(attack, f"a{number:02}", what, says=says)


def _words(
    attack: Attack,
    number: str,
    what: str,
    *,
    stories: tuple[Story, ...] = (),
    says: Says = Says(),  # noqa: B008 - a frozen record
) -> Case:
    return Case(
        id=f"{attack}-{number}",
        attack=attack,
        what=what,
        stage=Stage.WORDS,
        stories=stories,
        says=says,
    )
