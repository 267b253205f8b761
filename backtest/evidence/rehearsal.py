"""Rehearse what a judgement asks an analyst, so that its price is known before the first call."""

from __future__ import annotations

import asyncio

from backtest.controls import counterfactual
from backtest.controls.blind.attack import Ask, recognised
from backtest.evidence.judge import director
from backtest.evidence.runs import Inquiry, Kind, Task, asking_tasks, perform_one


def rehearse(inquiry: Inquiry, ask: Ask | None) -> None:
    """Make every run and put every question that the controls put to the analyst.

    The analyst counts them and answers by itself; baselines ask nobody and are left out.
    """
    assert inquiry.analyst is not None
    main = perform_one(inquiry, Task(kind=Kind.AGAIN, arg="0"))
    for task in asking_tasks(inquiry, main.result):
        perform_one(inquiry, task)
    controls, windows = inquiry.controls, main.windows
    if controls.counterfactuals:
        direct = director(inquiry.analyst(0))
        asyncio.run(counterfactual.follow(windows, direct, inquiry.spec.seed))
    if controls.blind and ask is not None:
        asyncio.run(recognised(windows, inquiry.masks, ask))
