"""Name the line of somebody's own analyst that raised: one line, where a traceback says little."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from domain.decisions import Answer, Brief
from domain.errors import AutoHedgeError, ConfigError, InvalidAnswer
from domain.ports import Analyst
from domain.text import clean
from graph.analysts.own import NAMED, RAISED

_MAX_WORDS = 200


class Blaming:
    """An analyst whose own errors end a decision as failed; `lines` say where, each once."""

    def __init__(self, analyst: Analyst, named: str) -> None:
        self._analyst = analyst
        self._named = named
        self.lines: list[str] = []

    @property
    def name(self) -> str:
        """Return what decisions record."""
        return self._analyst.name

    async def answer(self, brief: Brief) -> Answer:
        """Answer as the analyst does; raises `InvalidAnswer` for whatever its code raises."""
        try:
            return await self._analyst.answer(brief)
        except AutoHedgeError:
            raise
        except Exception as error:
            line = _line(self._named, error)
            if line not in self.lines:
                self.lines.append(line)
            raise InvalidAnswer(line, code=RAISED) from error

    def error(self) -> ConfigError:
        """Return the first line as what ends a command."""
        return ConfigError(self.lines[0], remedy="Mend it there.", code=RAISED)


def blaming(analyst: Analyst, named: str) -> Blaming | None:
    """Watch an analyst of somebody's own; none where it is one of ours, whose errors are ours."""
    return Blaming(analyst, named) if NAMED.fullmatch(named) else None


def _line(named: str, error: Exception) -> str:
    """Say what was raised where: the deepest place in the analyst's own file, if it has one."""
    module = sys.modules.get(named.partition(":")[0])
    own = getattr(module, "__file__", None)
    frames = traceback.extract_tb(error.__traceback__)
    place = next((each for each in reversed(frames) if each.filename == own), frames[-1])
    words = clean(str(error), _MAX_WORDS)
    said = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return f"{named} raised {said} ({_short(place.filename)}, line {place.lineno})."


def _short(file: str) -> str:
    """Return a path as seen from the folder that the person stands in."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
