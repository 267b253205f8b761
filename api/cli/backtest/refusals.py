"""Refuse options that a backtest would leave without effect: who typed them believes in one."""

from __future__ import annotations

from api.cli.backtest.asked import BacktestCommand
from backtest.run.mapping import POLICY
from domain.errors import ConfigError
from graph.analysts.rules import RULES

NONE = "none"


def refuse_idle(asked: BacktestCommand) -> None:
    """Raise `ConfigError` for options that what is asked for does not look at."""
    _refuse_for_analyst(asked)
    if asked.ticks:
        _refuse_beside_ticks(asked)
    if asked.windows > 1:
        _refuse_beside_windows(asked)


def _refuse_for_analyst(asked: BacktestCommand) -> None:
    is_policy = asked.analyst.startswith(POLICY)
    idle = []
    if is_policy or asked.analyst == RULES:
        idle = _given(asked, "model", "prompts", "budget")
    if is_policy and asked.latency_s:
        idle.append("--latency")
    if idle:
        raise ConfigError(
            f"{', '.join(idle)} would stay without effect on --analyst {asked.analyst}.",
            remedy="Leave it out, or choose --analyst llm.",
            code="OPTION_IDLE",
        )


def _refuse_beside_ticks(asked: BacktestCommand) -> None:
    """Refuse what compares: ticks are played once, and nothing is run beside them."""
    idle = [*_given(asked, "register"), *_controls(asked)]
    if idle:
        raise ConfigError(
            f"--ticks compares with nothing, and {', '.join(idle)} would stay without effect.",
            remedy="Leave --ticks out (bars are made of the ticks then), or leave the others out.",
            code="OPTION_IDLE",
        )


def _refuse_beside_windows(asked: BacktestCommand) -> None:
    """Refuse what many runs would leave unwritten."""
    idle = [*_given(asked, "report", "json", "journal", "register"), *_controls(asked)]
    if asked.ticks:
        idle.append("--ticks")
    if idle:
        raise ConfigError(
            f"--windows prints a line a window, and {', '.join(idle)} would stay without effect.",
            remedy="Run one window alone by --from and --to, or leave the others out.",
            code="WINDOWS_INVALID",
        )


def _given(asked: BacktestCommand, *names: str) -> list[str]:
    return [f"--{name}" for name in names if getattr(asked, name) is not None]


def _controls(asked: BacktestCommand) -> list[str]:
    """Return `--controls` where they were asked for by a word; none at all may always be typed."""
    return [] if asked.controls in {None, NONE} else ["--controls"]
