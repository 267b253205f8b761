"""Name what a backtest takes and gives: what it was told, what it paid, and everything it did.

`RunSpec` and `RunResult` are what the parts of this package share: `data` fills series, `run`
plays them through the engine, `controls`, `statistics` and `report` read results alone. Prices and
returns are floats (observations and statistics); what the account really paid is kept by the
journal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from domain.records import Record

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The bars of one symbol, oldest first, as columns of one length n.

    `ts_ns` is each bar's start, UTC; `interval_s` its length (86,400 for days). `source` and
    `licence` say where it comes from, `digest` is the sha256 over its columns.
    """

    symbol: str
    interval_s: int
    ts_ns: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    source: str
    licence: str
    digest: str


class Costs(Record, frozen=True):
    """What trading costs, beside the venue's own fees: there is no default, it must be chosen.

    Basis points a side of the traded notional; `impact` is the factor before
    `volatility * sqrt(quantity / daily volume)`; `venue_fees` applies Alpaca's own; `volume_cap` is
    the share of a step's volume that may be ours.
    """

    name: str
    commission_bps: float = 0.0
    half_spread_bps: float = 0.0
    slippage_bps: float = 0.0
    impact: float = 0.0
    venue_fees: bool = True
    volume_cap: float = 0.1


class CostsPaid(Record, frozen=True):
    """What a run paid, in dollars; `model` is what the analyst's calls cost."""

    commission: float = 0.0
    spread: float = 0.0
    slippage: float = 0.0
    impact: float = 0.0
    venue_fees: float = 0.0
    model: float = 0.0


class RunSpec(Record, frozen=True):
    """Everything that decides what a run does; its digest names the configuration.

    `analyst` is `rules`, `llm:<model>`, `recorded` or `policy:<name>` (a baseline in place of the
    graph). `start` and `end` are RFC 3339. `data` lists (symbol, digest). `settings` are the limits
    and floors that differ from the defaults. `prompts` are (role, digest).
    """

    analyst: str
    symbols: tuple[str, ...]
    start: str
    end: str
    interval_s: int
    costs: Costs
    cash: float
    seed: int
    analyst_latency_s: float
    data: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...] = ()
    prompts: tuple[tuple[str, str], ...] = ()
    is_blind: bool = False


class FillRow(Record, frozen=True):
    """One execution of ours; `quantity` is signed, `decision_id` joins it to what was argued."""

    ts_ns: int
    symbol: str
    quantity: float
    price: float
    reference_price: float
    leg: str
    decision_id: str | None = None
    costs: CostsPaid = CostsPaid()


class DecisionRow(Record, frozen=True):
    """One run of the graph, or of the policy in its place; `code` is the gate's, when it denied."""

    ts_ns: int
    symbol: str
    id: str
    action: str
    outcome: str
    reason_code: str
    confidence: float
    thesis: str
    price: float
    code: str | None = None
    latency_s: float = 0.0
    tokens: int = 0
    cost_usd: float = 0.0


class Ended(StrEnum):
    """How a run ended; everything but COMPLETE makes its report say partial."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    BUDGET_SPENT = "budget_spent"
    ANALYST_FAILED = "analyst_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What one run did. The curves have one point a step (bar or sampled tick), oldest first.

    The first step is the one after the first close that could be decided upon: before it the
    account is `spec.cash`, and its return is the first that an order can have earned.
    `equity`, `cash` and `exposure` (sum of |position value|) are dollars at `ts_ns`. `digest` is
    the journal's last hash: the same input gives the same digest, to the byte. `n_cut` of
    `n_orders` met less than they asked for: by the volume cap, or by what a tick had quoted.
    `prices` are the closes by symbol that a report draws; `note` says in a line why it ended early.
    """

    spec: RunSpec
    ended: Ended
    digest: str
    ts_ns: Ints
    equity: Floats
    cash: Floats
    exposure: Floats
    fills: tuple[FillRow, ...]
    decisions: tuple[DecisionRow, ...]
    denials: dict[str, int]
    paid: CostsPaid
    n_orders: int = 0
    n_cut: int = 0
    note: str = ""
    journal: str | None = None
    prices: dict[str, tuple[Ints, Floats]] = field(default_factory=dict)
