"""Write log lines for operators: to stderr, from a level up, as text or JSON, without secrets."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import structlog
from rich.console import Console

from api.logs.redaction import Redactor, guard_crashes, of_environment, printable
from api.settings import Config


def configure(config: Config) -> None:
    """Set up both structlog and the standard library's logging by LOG_LEVEL and LOG_FORMAT."""
    settings = config.settings
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    is_json = settings.log_format == "json"
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if is_json
        else structlog.dev.ConsoleRenderer(colors=_has_colors())
    )
    redact = of_environment(dict(settings))
    guard_crashes(redact)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _harmless,
            renderer,
            _redacted(redact),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((_JsonFormatter if is_json else _RedactingFormatter)(redact))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler])


class _RedactingFormatter(logging.Formatter):
    """Format a library's record, its traceback too, without secrets and terminal escapes."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__(logging.BASIC_FORMAT)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines of a traceback."""
        return self._redact(printable(super().format(record), keep="\n\t"))


class _JsonFormatter(_RedactingFormatter):
    """Write a library's record as one JSON object of the keys that our own lines have."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, a traceback within it."""
        at = datetime.fromtimestamp(record.created, UTC)
        line = {
            "event": printable(record.getMessage(), keep="\n\t"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z",
        }
        if record.exc_info:
            line["exception"] = printable(self.formatException(record.exc_info), keep="\n\t")
        return self._redact(json.dumps(line))


def _has_colors() -> bool:
    """Tell whether stderr is a terminal whose person wants colours (NO_COLOR)."""
    console = Console(stderr=True)
    return console.is_terminal and not console.no_color


def _harmless(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Escape what a terminal would obey: strangers' texts reach log lines as values."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value, keep="\n\t" if name == "exception" else "")
    return event


def _redacted(redact: Redactor) -> structlog.typing.Processor:
    def process(_logger: Any, _name: str, line: Any) -> Any:
        return redact(line)

    return process
