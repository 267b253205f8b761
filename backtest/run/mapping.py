"""Map a run onto the engine's plan: one table says what bars of an interval do to live settings.

| Setting | Live | On bars of I seconds | Why |
|---|---|---|---|
| `quote_max_age_s` | 10 | 3600 | between two bars nobody quotes |
| `account_max_age_s` | 60 | 3600 | the account is ours alone |
| `decision_max_age_s` | 60 | max(60, min(I, 3600)) | a decision on a bar lives as long as the bar |
| `entry_ttl_s` | 30 | max(30, min(I, 3600)) | an entry must see the next bar's open |
| `cooldown_s` | 60 | 0 | each bar's close is due, once |
| `wake_move_atr` | 1.5 | never | there are no prices between bars that a decision may see |
| `exit_ttl_s`, `partial_grace_s` | 0.5, 0.4 | as `entry_ttl_s` | likewise for exits and rests |
| `check_every_s` | 1 | I with time exits, else a day | exits act on events; only time needs looks |
| a policy's | 1 | never | what it holds stands without stops |
| `retry_still_s` | 60 | a day | the venue answers alike until the next price, which wakes exits |
| exits' `quote_max_age_s` | 10 | any | a played price stands until the next is told |
| looks at the venue | 30 s | a day, and after each order's end | the venue is in this process |
| beats, bar clock | 1 s | with each bar | the player of the market calls them |
| `open_delay_s`, `close_cutoff_s` | 300, 600 | 0 from an hour up | long bars lie mostly outside |

Values beyond what a setting may hold are never used: the gate refuses them whoever wrote them. For
ticks of a tape everything stays as it is live, but for looks and beats. `settings` of a run come
last and win. A policy is no agent under supervision: the limits that stop a losing bot are off for
it, it may own all of its equity in one order, and its positions stand without stops.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from backtest.records import Costs, RunSpec
from domain.account import FeeSchedule
from domain.errors import ConfigError
from domain.limits import LIMITS_TABLE, Limits
from domain.market import Floors
from engine.building import EnginePlan
from engine.guard import GuardConfig
from engine.orders.delivery.seams import GatewayConfig
from engine.orders.looks import ReconcilerConfig
from engine.orders.protection.rules import ExitRules, distance_of, seconds_of
from engine.orders.protection.seams import ExitsConfig

DAY_S = 86_400
HOUR_S = 3_600
POLICY = "policy:"
_NEVER_ATR = 1e9
_FAR_S = 1e9
_OWN_LIMITS = {spec.field: spec for spec in LIMITS_TABLE}

POLICY_LIMITS = {
    "max_order_amount": Decimal(1_000_000_000),
    "max_position_fraction": 2.0,
    "max_exposure_fraction": 2.0,
    "max_buying_power_fraction": 0.999,
    "max_risk_per_trade": 1.0,
    "min_reward_risk": 0.0,
    "stop_min_atr": 0.0,
    "stop_max_atr": 100.0,
    "max_open_orders": 10_000,
    "max_orders_per_minute": 180,
    "max_daily_loss": 1.0,
    "max_drawdown": 1.0,
    "max_spread_bps": 10_000.0,
    "collar_bps": 1_000.0,
    "max_price_move_bps": 10_000.0,
    "max_consecutive_losses": 0,
    "max_consecutive_denials": 0,
    "max_consecutive_rejections": 0,
    "max_one_way_fills": 0,
    "open_delay_s": 0.0,
    "close_cutoff_s": 0.0,
}
"""What a policy may do: everything that its account can pay. The gate asks every question."""


class Resume(StrEnum):
    """What a person does about a bot that its limits have stopped."""

    NEXT_DAY = "next_day"
    NEVER = "never"


class Choices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a run that are no limits, with their defaults.

    `history_limit` are the bars that a window shows, `warmup` the bars before the first decision
    (the indicators need at least 50), `slots` how many runs of the graph at once. `resume` tells
    what a person does after a limit has stopped the bot: `next_day` resumes it when a new day
    begins, `never` leaves it. `sessions` are `xnys`, `always`, or `auto`. `fractional` shares or
    whole ones. The exit rules are written as live (`2%`, `3atr`, `4h`).
    """

    history_limit: Annotated[int, Meta(ge=1, le=10_000)] = 50
    warmup: Annotated[int, Meta(ge=1, le=1_000_000)] = 250
    slots: Annotated[int, Meta(ge=1, le=1_000)] = 3
    decision_deadline_s: Annotated[float, Meta(ge=1, le=HOUR_S)] = 45.0
    resume: Resume = Resume.NEXT_DAY
    sessions: str = "auto"
    fractional: Literal["yes", "no"] = "yes"
    multiplier: Literal[1, 2, 4] = 2
    confidence_floor: Annotated[float, Meta(ge=0, le=1)] = Floors().confidence
    score_floor: Annotated[float, Meta(ge=0, le=1)] = Floors().score
    stop_loss: str = "off"
    take_profit: str = "off"
    trailing_stop: str = "off"
    max_holding: str = "off"


def choices_of(spec: RunSpec) -> Choices:
    """Read a run's settings that are no limits; raises `ConfigError` that names the wrong one."""
    own = {name: text for name, text in spec.settings if name not in _OWN_LIMITS}
    try:
        return msgspec.convert(own, Choices, strict=False)
    except msgspec.ValidationError as wrong:
        raise ConfigError(
            f"A setting of the backtest is wrong: {wrong}.",
            remedy=f"Set limits by their names, or {', '.join(Choices.__struct_fields__)}.",
            code="SETTING_INVALID",
        ) from wrong


def is_policy(spec: RunSpec) -> bool:
    """Tell whether a rule stands in for the graph."""
    return spec.analyst.startswith(POLICY)


def plan_of(spec: RunSpec, *, is_ticks: bool) -> EnginePlan:
    """Return the engine's plan of a run; raises `ConfigError` for a setting that cannot be."""
    choices = choices_of(spec)
    life_s = _life_s(spec.interval_s)
    exits = ExitsConfig(look_s=_FAR_S, rules=_rules(choices))
    if not is_ticks:
        look_s = spec.interval_s if exits.rules.max_holding_s is not None else DAY_S
        exits = msgspec.structs.replace(
            exits,
            check_every_s=_FAR_S if is_policy(spec) else float(look_s),
            exit_ttl_s=life_s,
            partial_grace_s=life_s,
            retry_still_s=float(DAY_S),
            quote_max_age_s=_FAR_S,
        )
    return EnginePlan(
        symbols=spec.symbols,
        mode="backtest",
        strategy="backtest",
        feed="history",
        interval_s=spec.interval_s,
        history_limit=choices.history_limit,
        warmup_min=choices.warmup,
        limits=limits_of(spec, is_ticks=is_ticks),
        floors=Floors(confidence=choices.confidence_floor, score=choices.score_floor),
        slots=choices.slots,
        queue_size=max(100, len(spec.symbols)),
        cooldown_s=60.0 if is_ticks else 0.0,
        wake_move_atr=1.5 if is_ticks else _NEVER_ATR,
        near_exit_atr=0.5 if is_ticks else 0.0,
        decision_deadline_s=choices.decision_deadline_s,
        exits=exits,
        guard=GuardConfig(is_played=True),
        looks=ReconcilerConfig(interval_s=float(DAY_S), interval_wall_s=0.0),
        # A simulated venue loses no order event.
        gateway=GatewayConfig(second_look_s=None),
        fees=fees_of(spec.costs),
    )


def fees_of(costs: Costs) -> FeeSchedule:
    """Return what the venue takes of a pair's execution, which engine and venue must agree on."""
    free = FeeSchedule(maker_bps=Decimal(0), taker_bps=Decimal(0))
    return FeeSchedule() if costs.venue_fees else free


def limits_of(spec: RunSpec, *, is_ticks: bool) -> Limits:
    """Return the limits of a run: live's, by interval, by who decides, by the run's settings."""
    limits = Limits()
    if not is_ticks:
        life_s = _life_s(spec.interval_s)
        limits = msgspec.structs.replace(
            limits,
            quote_max_age_s=float(HOUR_S),
            account_max_age_s=float(HOUR_S),
            decision_max_age_s=max(limits.decision_max_age_s, life_s),
            entry_ttl_s=life_s,
        )
        if spec.interval_s >= HOUR_S:
            limits = msgspec.structs.replace(limits, open_delay_s=0.0, close_cutoff_s=0.0)
    if is_policy(spec):
        limits = msgspec.structs.replace(limits, **POLICY_LIMITS)
    chosen = {name: _value(name, text) for name, text in spec.settings if name in _OWN_LIMITS}
    return msgspec.structs.replace(limits, **chosen)


def _life_s(interval_s: int) -> float:
    """Return how long an order of a bar lives: to the next bar's end, an hour at most."""
    return float(max(30, min(interval_s, HOUR_S)))


def _value(name: str, text: str) -> Decimal | float | int | bool:
    """Read a limit as its setting does; raises `ConfigError` outside of what it may hold."""
    spec = _OWN_LIMITS[name]
    try:
        if isinstance(spec.default, bool):
            return {"yes": True, "no": False}[text]
        number = Decimal(text)
        if not Decimal(repr(spec.minimum)) <= number <= Decimal(repr(spec.maximum)):
            raise InvalidOperation  # noqa: TRY301 - one message for whatever is wrong with it
        return type(spec.default)(number)
    except (InvalidOperation, KeyError, ValueError):
        raise ConfigError(
            f"{spec.setting} is {text!r}, and it may hold {spec.minimum:g} to {spec.maximum:g}.",
            remedy="Mend the setting of the backtest.",
            code="SETTING_INVALID",
        ) from None


def _rules(choices: Choices) -> ExitRules:
    try:
        return ExitRules(
            stop_loss=distance_of(choices.stop_loss),
            take_profit=distance_of(choices.take_profit),
            trailing_stop=distance_of(choices.trailing_stop),
            max_holding_s=seconds_of(choices.max_holding),
        )
    except ValueError as wrong:
        raise ConfigError(
            f"An exit rule of the backtest cannot be read: {wrong}.",
            remedy="Mend the setting of the backtest.",
            code="SETTING_INVALID",
        ) from wrong
