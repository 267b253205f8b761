"""Compute technical indicators, one constant-time step a bar, on TA-Lib's stream handles.

A handle has seen every bar since it was opened, on at least `MIN_BARS` of history: recomputing over
a short window would be another indicator (RSI over 50 bars is points away). Handles equal TA-Lib's
batch functions over the same bars bit for bit, which `check` proves at every start.

When a bar is revised, the handles go back to a copy from before it and see the bars again, so the
values are those of a stream that had the right bars all along.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import talib
from numpy.typing import NDArray
from talib import stream

from domain.errors import InvariantBroken

MIN_BARS = 250
"""At this much history a recursive indicator is within 1e-6 of one that saw everything."""
RSI_PERIOD = 14
CHECKPOINT_EVERY = 16
CHECKPOINTS = 4
REVISABLE = 32
"""How many bars of its own history a stream can go back from the start."""

Floats = NDArray[np.float64]


class BarArrays(NamedTuple):
    """Closed bars as columns, oldest first, all of one length, every value finite."""

    high: Floats
    low: Floats
    close: Floats
    volume: Floats


class _Spec(NamedTuple):
    """One TA-Lib function: the names of its outputs, the columns it reads, its parameters."""

    names: tuple[str, ...]
    function: str
    reads: tuple[str, ...]
    parameters: dict[str, float]

    def open(self, bars: BarArrays) -> Any:
        """Open a handle on history."""
        columns = [np.ascontiguousarray(getattr(bars, column)) for column in self.reads]
        return getattr(stream, self.function)(*columns, **self.parameters)

    def batch(self, bars: BarArrays) -> Any:
        """Compute the whole series at once: what a handle must equal."""
        columns = [getattr(bars, column) for column in self.reads]
        return getattr(talib, self.function)(*columns, **self.parameters)


_CLOSE = ("close",)
_RANGE = ("high", "low", "close")
# Definitions are TA-Lib's: J. W. Wilder, "New Concepts in Technical Trading Systems" (1978) for
# RSI, ATR and ADX; G. Appel for MACD; J. Bollinger for the bands (population deviation).
_SPECS = (
    _Spec(("sma_20",), "SMA", _CLOSE, {"timeperiod": 20}),
    _Spec(("sma_50",), "SMA", _CLOSE, {"timeperiod": 50}),
    _Spec(("ema_12",), "EMA", _CLOSE, {"timeperiod": 12}),
    _Spec(("ema_26",), "EMA", _CLOSE, {"timeperiod": 26}),
    _Spec(("rsi_14",), "RSI", _CLOSE, {"timeperiod": RSI_PERIOD}),
    _Spec(("macd", "macd_signal", "macd_hist"), "MACD", _CLOSE,
          {"fastperiod": 12, "slowperiod": 26, "signalperiod": 9}),
    _Spec(("bb_upper", "bb_middle", "bb_lower"), "BBANDS", _CLOSE,
          {"timeperiod": 20, "nbdevup": 2.0, "nbdevdn": 2.0}),
    _Spec(("roc_10",), "ROC", _CLOSE, {"timeperiod": 10}),
    _Spec(("atr_14",), "ATR", _RANGE, {"timeperiod": 14}),
    _Spec(("adx_14",), "ADX", _RANGE, {"timeperiod": 14}),
    _Spec(("volume_sma_20",), "SMA", ("volume",), {"timeperiod": 20}),
)  # fmt: skip
_N_CLOSE = sum(spec.reads == _CLOSE for spec in _SPECS)
_N_RANGE = sum(spec.reads == _RANGE for spec in _SPECS)

NAMES: tuple[str, ...] = tuple(name for spec in _SPECS for name in spec.names)
"""Every indicator of a window, in order."""
UNAVAILABLE: dict[str, float | None] = dict.fromkeys(NAMES)


@dataclass(slots=True)
class _State:
    """The handles after `n_seen` bars, and for how many bars the close has not moved."""

    n_seen: int
    handles: list[Any]
    last_close: float
    n_flat: int

    def copy(self) -> _State:
        handles = [handle.copy() for handle in self.handles]
        return _State(self.n_seen, handles, self.last_close, self.n_flat)


class Indicators:
    """One symbol's indicators. They are None until `min_bars` bars of history are there.

    `rsi_14` is also None while the close has not moved for its whole period: TA-Lib answers 0
    there, which reads as oversold and is no movement at all.
    """

    def __init__(self, *, min_bars: int = MIN_BARS) -> None:
        self.min_bars = max(min_bars, _LONGEST)
        self._state: _State | None = None
        self._checkpoints: deque[_State] = deque(maxlen=CHECKPOINTS)

    @property
    def n_seen(self) -> int:
        """Return how many bars the handles have seen since they were opened; 0 when closed."""
        return self._state.n_seen if self._state else 0

    def open(self, bars: BarArrays, *, is_revisable: bool = True) -> bool:
        """Open the handles anew on history; False while it is too short.

        They are opened a little earlier and see the rest bar by bar, which gives the same bits and
        leaves a copy to go back to; where nothing will be revised (`is_revisable`) there is none.
        """
        self._checkpoints.clear()
        n_seen = len(bars.close)
        if n_seen < self.min_bars:
            self._state = None
            return False
        n_first = max(n_seen - REVISABLE, _LONGEST) if is_revisable else n_seen
        first = BarArrays(*(column[:n_first] for column in bars))
        handles = [spec.open(first) for spec in _SPECS]
        self._state = _State(n_first, handles, float(first.close[-1]), _n_flat(first.close))
        if is_revisable:
            self._checkpoints.append(self._state.copy())
            self._see(bars, n_first)
        return True

    def update(self, high: float, low: float, close: float, volume: float) -> None:
        """See one more closed bar, in constant time; nothing while the handles are closed."""
        state = self._state
        if state is None:
            return
        handles = state.handles
        for handle in handles[:_N_CLOSE]:
            handle.update(close)
        for handle in handles[_N_CLOSE : _N_CLOSE + _N_RANGE]:
            handle.update(high, low, close)
        handles[-1].update(volume)
        state.n_flat = state.n_flat + 1 if close == state.last_close else 0
        state.last_close = close
        state.n_seen += 1
        if state.n_seen % CHECKPOINT_EVERY == 0:
            self._checkpoints.append(state.copy())

    def revise(self, bars: BarArrays, first_changed: int, *, n_dropped: int) -> None:
        """See again what changed: `bars` as they are now, new from `first_changed` on.

        `n_dropped` bars had been seen from there on before. Farther back than the checkpoints
        reach, the handles are opened anew on what history there is.
        """
        target = self.n_seen - n_dropped
        while self._checkpoints and self._checkpoints[-1].n_seen > target:
            self._checkpoints.pop()
        since = first_changed
        if self._checkpoints:
            since -= target - self._checkpoints[-1].n_seen
        if not self._checkpoints or since < 0:
            self.open(bars)
            return
        self._state = self._checkpoints[-1].copy()
        self._see(bars, since)

    def _see(self, bars: BarArrays, since: int) -> None:
        columns = (column[since:].tolist() for column in bars)
        for high, low, close, volume in zip(*columns, strict=True):
            self.update(high, low, close, volume)

    def values(self) -> dict[str, float | None]:
        """Return every indicator at the last closed bar."""
        state = self._state
        if state is None:
            return dict(UNAVAILABLE)
        return _named([handle.value for handle in state.handles], state.n_flat)

    def peek(self, high: float, low: float, close: float, volume: float) -> dict[str, float | None]:
        """Return what the indicators would be if the forming bar closed so; commits nothing."""
        state = self._state
        if state is None:
            return dict(UNAVAILABLE)
        handles = state.handles
        outputs = [handle.peek(close) for handle in handles[:_N_CLOSE]]
        outputs += [handle.peek(high, low, close) for handle in handles[_N_CLOSE:-1]]
        outputs.append(handles[-1].peek(volume))
        return _named(outputs, state.n_flat + 1 if close == state.last_close else 0)


def series_of(
    bars: Sequence[tuple[float, float, float, float]], *, last: int
) -> dict[str, tuple[float | None, ...]]:
    """Return every indicator at the `last` of some bars of (high, low, close, volume).

    It is for a picture. A value is None where it looks back past the first bar. Recursive ones
    depend on where the bars begin, so these are no stream's values: what a decision rests on comes
    from `Indicators`.
    """
    if not bars:
        return dict.fromkeys(NAMES, ())
    columns = BarArrays(*np.ascontiguousarray(np.array(bars, dtype=np.float64).T))
    outputs: list[Floats] = []
    for spec in _SPECS:
        batch = spec.batch(columns)
        outputs.extend(batch if isinstance(batch, tuple) else (batch,))
    return {
        name: tuple(value if math.isfinite(value) else None for value in output[-last:].tolist())
        for name, output in zip(NAMES, outputs, strict=True)
    }


def _named(outputs: Sequence[Any], n_flat: int) -> dict[str, float | None]:
    flat: list[float] = []
    for output in outputs:
        flat.extend(output if isinstance(output, tuple) else (output,))
    values = {
        name: value if math.isfinite(value) else None
        for name, value in zip(NAMES, flat, strict=True)
    }
    if n_flat >= RSI_PERIOD:
        values["rsi_14"] = None
    return values


def _n_flat(close: Floats) -> int:
    moved = np.flatnonzero(close[1:] != close[:-1])
    return len(close) - 1 - (int(moved[-1]) + 1 if len(moved) else 0)


def _canned(n_bars: int) -> BarArrays:
    """Make a fixed series with trends, swings and a flat stretch."""
    t = np.arange(n_bars, dtype=np.float64)
    close = 100 + 5 * np.sin(t / 17) + 2 * np.sin(t / 3.1) + t / 50
    close[60:80] = close[60]
    spread = 0.2 + 0.1 * np.cos(t / 5)
    return BarArrays(close + spread, close - spread, close, 1_000 + 300 * np.sin(t / 7))


_LONGEST = 50
"""The longest look-back of the set, in bars (`sma_50`)."""


def check(open_handle: Callable[[_Spec, BarArrays], Any] = _Spec.open) -> None:
    """Prove that handles equal batch on a fixed series; raises `InvariantBroken` by name.

    TA-Lib 0.8.1 gave `talib.stream` a new meaning without an error; this is the guard against a
    next time. `open_handle` lets a test show what a broken library looks like.
    """
    bars, n_history = _canned(320), 260
    history = BarArrays(*(column[:n_history] for column in bars))
    for spec in _SPECS:
        handle = open_handle(spec, history)
        columns = [getattr(bars, column)[n_history:].tolist() for column in spec.reads]
        streamed = [handle.update(*row) for row in zip(*columns, strict=True)]
        batch = spec.batch(bars)
        series = batch if isinstance(batch, tuple) else (batch,)
        expected = np.column_stack(series)[n_history:]
        if not np.array_equal(np.reshape(streamed, expected.shape), expected):
            raise InvariantBroken(
                f"TA-Lib's stream of {spec.function} differs from its batch function.",
                remedy="Install the pinned TA-Lib (pip install -c constraints.txt TA-Lib).",
            )
