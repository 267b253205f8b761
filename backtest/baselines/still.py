"""Hold cash, or buy and hold: what an analyst that trades has to be worth its costs against."""

from __future__ import annotations

from backtest.policy import PolicyView


class Cash:
    """Never trade. It earns nothing, and loses nothing to costs."""

    __slots__ = ()
    name = "cash"

    def target(self, view: PolicyView) -> float | None:  # noqa: ARG002 - it looks at nothing
        """Want nothing, ever."""
        return None


class Hold:
    """Buy with the whole share at the first chance, and hold to the end."""

    __slots__ = ("_share",)
    name = "buy-and-hold"

    def __init__(self, share: float) -> None:
        self._share = share

    def target(self, view: PolicyView) -> float | None:
        """Want the share until it is held; what a denial or a stop kept from us is asked again."""
        return self._share if view.quantity == 0 else None
