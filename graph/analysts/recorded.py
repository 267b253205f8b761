"""Answer briefs from the journal: the same conversation, with the model's words as they were.

Everything else is worked out again. A prompt that would differ today stops the replay with the
difference, because an answer to another question proves nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import msgspec

from domain.decisions import Answer, Brief, Call, Role
from domain.errors import ConfigError, InvalidAnswer
from domain.market import Window
from domain.ports import Answers
from graph.agent import read_json
from graph.analysts.model.conversation import BUILT_IN, Prompt, Told, converse, is_shown_less
from graph.analysts.rules import POLICY, POLICY_DIGEST, RULES

MAX_DIFF_LINES = 40


class Recorded:
    """Answer as `analyst` did; `prompts` are the journaled texts by digest, for the difference."""

    def __init__(
        self,
        answers: Answers,
        *,
        analyst: str,
        prompts: Mapping[str, str] | None = None,
        told: Told = BUILT_IN,
    ) -> None:
        self._answers = answers
        self._analyst = analyst
        self._prompts = dict(prompts or {})
        self._told = told

    @property
    def name(self) -> str:
        """Return the original analyst's name: a replayed decision equals the first to the byte."""
        return self._analyst

    async def answer(self, brief: Brief) -> Answer:
        """Answer from the record; raises `ConfigError` when it is silent or was asked otherwise.

        Codes: `REPLAY_ANSWER_MISSING`, `REPLAY_PROMPT_CHANGED`. A recorded failure fails again.
        """
        if self._analyst == RULES:
            return await self._by_rules(brief)

        async def speak(prompt: Prompt, attempt: int) -> Call:
            call = await self._found(brief, attempt)
            self._compare(call, prompt.digest, prompt.text)
            # Whether an answer was valid is judged again; a failure of the endpoint is a fact.
            is_judged = call.error == InvalidAnswer.code
            return msgspec.structs.replace(call, error=None) if is_judged else call

        is_short = is_shown_less(self._analyst)
        return await converse(brief, speak, is_short=is_short, told=self._told)

    async def _by_rules(self, brief: Brief) -> Answer:
        call = await self._found(brief, 1)
        self._compare(call, POLICY_DIGEST, POLICY)
        content = read_json(call.raw)
        return Answer(content=content, calls=(msgspec.structs.replace(call, error=None),))

    async def _found(self, brief: Brief, attempt: int) -> Call:
        window: Window = brief.window
        call = await self._answers.recorded(window.decision_id, Role(brief.role), attempt)
        if call is None:
            raise ConfigError(
                f"no answer of the {brief.role} (attempt {attempt}) is recorded for decision "
                f"{window.decision_id}.",
                remedy="Replay a journaled decision, or use another analyst.",
                code="REPLAY_ANSWER_MISSING",
            )
        return call

    def _compare(self, call: Call, digest: str, text: str) -> None:
        if call.prompt_digest in {digest, ""}:
            return
        raise ConfigError(
            f"the {call.role} was asked something else when this was recorded "
            f"(prompt {call.prompt_digest[:12]} then, {digest[:12]} now).\n"
            f"{self._difference(call.prompt_digest, text)}",
            remedy="Replay with the version, and the PROMPTS_DIR, that recorded it.",
            code="REPLAY_PROMPT_CHANGED",
        )

    def _difference(self, digest: str, text: str) -> str:
        then = self._prompts.get(digest)
        if then is None:
            return "The text of the recorded prompt is not at hand."
        lines = difflib.unified_diff(
            then.splitlines(), text.splitlines(), "recorded", "now", lineterm="", n=1
        )
        return "\n".join(list(lines)[:MAX_DIFF_LINES])
