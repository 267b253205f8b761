"""Make candles from prints: the one aggregator of live data, tapes and backtests.

A candle is a function of the *set* of prints in its interval, not of the order in which they came:
open and close go by (time, trade id), and sums are exactly rounded (`math.fsum`). So a back-fill
over REST and a stream that was never cut end in the same bytes.

An interval of whole minutes is made of pieces of one minute, because the venue corrects minute by
minute: its `b` and `u` bars replace whole pieces. Any other interval is one piece, ours alone.
"""

from domain.bars.candles import (
    GRACE_NS,
    MINUTE_S,
    NO_CHANGE,
    BarChange,
    Candles,
    ChangeKind,
    Changes,
    Sessions,
)
from domain.bars.pieces import Piece, pack_print, pack_stamp
from domain.bars.prints import Print, PrintKind, print_kind

__all__ = [
    "GRACE_NS",
    "MINUTE_S",
    "NO_CHANGE",
    "BarChange",
    "Candles",
    "ChangeKind",
    "Changes",
    "Piece",
    "Print",
    "PrintKind",
    "Sessions",
    "pack_print",
    "pack_stamp",
    "print_kind",
]
