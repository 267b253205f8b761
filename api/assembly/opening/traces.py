"""Open what traces go to, where somebody wants them."""

from __future__ import annotations

from contextlib import AsyncExitStack

from domain.errors import ConfigError
from engine.tracing import Trace, Untraced


async def open_trace(collector_url: str | None, stack: AsyncExitStack) -> Trace:
    """Return what hears of each step; OpenTelemetry is not even imported without a collector."""
    if collector_url is None:
        return Untraced()
    try:
        from api.observing.tracing import open_tracing  # noqa: PLC0415 - 0.3 s where wanted alone
    except ImportError as error:
        raise ConfigError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed.",
            remedy="pip install 'autohedge[otel]', or leave the variable empty.",
            code="OTEL_MISSING",
        ) from error
    return await stack.enter_async_context(open_tracing(collector_url))
