"""Say what a store keeps."""

from __future__ import annotations

import msgspec

MIN_HISTORY = 250


class StoreConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a store keeps. `window_bars` is how many closed bars a view shows.

    `is_seldom_read`: the indicators see bars only when somebody asks for them; after a long silence
    they are opened anew on the kept history, as after a gap.
    """

    symbols: tuple[str, ...]
    interval_s: int = 60
    window_bars: int = 50
    warmup_bars: int = 50
    min_indicator_bars: int = MIN_HISTORY
    is_seldom_read: bool = False

    @property
    def history_bars(self) -> int:
        """Return how many closed bars are kept a symbol."""
        return max(MIN_HISTORY, self.window_bars, self.min_indicator_bars)
