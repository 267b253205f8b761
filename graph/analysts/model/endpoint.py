"""Ask an OpenAI-compatible endpoint once; every way it can fail becomes one stable code.

Nothing is retried here and nothing is raised for the endpoint's failures: the conversation
(`graph.analysts.model.conversation`) decides what comes next. langchain-openai is imported when the
first endpoint is opened, because it takes a second.
"""

from __future__ import annotations

import json
import ssl
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from domain.errors import AnalystRateLimited, AnalystTimeout, AnalystUnavailable, ConfigError
from domain.records import Record
from graph.analysts.model.conversation import AGENTS, EMPTY, FILTERED, REFUSED, TRUNCATED, Prompt
from graph.analysts.model.costs import Price

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

KEY_REFUSED = "ANALYST_KEY_REFUSED"
MODEL_UNKNOWN = "ANALYST_MODEL_UNKNOWN"
REQUEST_REFUSED = "ANALYST_REQUEST_REFUSED"
FINAL = frozenset({KEY_REFUSED, MODEL_UNKNOWN, REQUEST_REFUSED})
"""What comes again however often it is asked."""
PASSING = frozenset({AnalystUnavailable.code, AnalystTimeout.code, AnalystRateLimited.code})
"""What may be answered when it is asked again."""

# What a 429 without a readable Retry-After asks for: a minute's budget renews in a minute.
DEFAULT_PAUSE_S = 60.0
MAX_PAUSE_S = 3600.0

_BOUNDS = frozenset({"minimum", "maximum", "maxLength"})


class Method(StrEnum):
    """How the endpoint is asked for JSON."""

    JSON_SCHEMA = "json_schema"
    FUNCTION_CALLING = "function_calling"
    JSON_MODE = "json_mode"


class EndpointConfig(Record, frozen=True):
    """Where the model is and how to ask it.

    `base_url` none means OpenAI. `temperature` none sends none (some models refuse it). With
    `max_string` the schema is made for a small model: no text may be longer (it would write until
    `max_tokens` cuts it off), prices are null. Else it has no bounds: OpenAI's strict mode refuses
    them.
    """

    model: str
    api_key: str
    base_url: str | None = None
    method: Method = Method.JSON_SCHEMA
    temperature: float | None = 0.0
    max_tokens: int = 600
    timeout_s: float = 20.0
    max_string: int | None = None
    price: Price | None = None

    def __repr__(self) -> str:
        """Show everything but the key."""
        return f"EndpointConfig(model={self.model!r}, base_url={self.base_url!r}, api_key='***')"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: the model's words and usage, or the code of the failure."""

    raw: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    error: str | None = None
    retry_after_s: float = 0.0


def load() -> None:
    """Import the client library: a second and more, which a thread spends beside other waits."""
    import langchain_openai  # noqa: F401, PLC0415 - who imports it next finds it loaded


class Endpoint:
    """One model at one address, asked for one role's schema at a time."""

    def __init__(self, config: EndpointConfig) -> None:
        from langchain_openai import ChatOpenAI  # noqa: PLC0415 - a second of import

        if not config.api_key:
            raise ConfigError(
                "no key for the model endpoint.",
                remedy="Set OPENAI_API_KEY, or ANALYST=rules.",
                code="MODEL_KEY_MISSING",
            )
        self._method = config.method
        self._max_string = config.max_string
        self._http = httpx.AsyncClient(timeout=config.timeout_s, verify=_trust())
        self._chat = ChatOpenAI(
            model=config.model,
            api_key=config.api_key,
            base_url=config.base_url,
            temperature=config.temperature,
            max_tokens=config.max_tokens,
            timeout=config.timeout_s,
            max_retries=0,
            http_async_client=self._http,
            use_responses_api=False,
        )
        self._asked = {
            role: self._structured(shaped(agent.schema, config.max_string))
            for role, agent in AGENTS.items()
        }

    async def ask(self, prompt: Prompt) -> Reply:
        """Put a prompt to the model; only cancellation is raised."""
        import openai  # noqa: PLC0415 - loaded with the first endpoint

        try:
            result = await self._asking(prompt).ainvoke(list(prompt.messages))
        except openai.LengthFinishReasonError as cut:
            return _of_completion(cut.completion, TRUNCATED)
        except openai.ContentFilterFinishReasonError:
            return Reply(error=FILTERED)
        except openai.APITimeoutError:
            return Reply(error=AnalystTimeout.code)
        except openai.APIStatusError as refused:
            return _of_status(refused)
        except (openai.OpenAIError, httpx.HTTPError):
            return Reply(error=AnalystUnavailable.code)
        except (LookupError, TypeError, ValueError, AttributeError):
            # The body was no chat completion (HTML, an empty list of choices): the libraries
            # trip over it in their own ways.
            return Reply(error=AnalystUnavailable.code)
        return _of_message(result["raw"], self._method)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _asking(self, prompt: Prompt) -> Runnable[Any, Any]:
        if prompt.schema is None:
            return self._asked[prompt.role]
        return self._structured(shaped(prompt.schema, self._max_string))

    def _structured(self, schema: dict[str, Any]) -> Runnable[Any, Any]:
        strict = None if self._method is Method.JSON_MODE else True
        return self._chat.with_structured_output(
            schema, method=self._method.value, strict=strict, include_raw=True
        )


@cache
def _trust() -> ssl.SSLContext:
    """Load the trusted certificates once: it takes longer than a call."""
    return httpx.create_ssl_context()


def shaped(schema: dict[str, Any], max_string: int | None) -> dict[str, Any]:
    """Return the schema as the endpoint takes it: without bounds, or made safe for a small model.

    The bounds hold all the same: our own validation checks every answer.
    """
    fields = {
        name: _unbounded(field) if max_string is None else _small(field, max_string)
        for name, field in schema["properties"].items()
    }
    return {**schema, "properties": fields}


def _unbounded(field: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in field.items() if key not in _BOUNDS}


def _small(field: dict[str, Any], max_string: int) -> dict[str, Any]:
    """Leave a small model no number that it would invent: no price, and few basis points."""
    if field["type"] == ["number", "null"]:
        return {"type": "null"}
    if "maxLength" in field:
        return {**field, "maxLength": min(field["maxLength"], max_string)}
    # llama.cpp's grammars bound whole numbers only.
    is_wide = field.get("maximum", 1) > 1
    return {"type": "integer", "minimum": 0, "maximum": 5} if is_wide else field


def _of_message(message: AIMessage, method: Method) -> Reply:
    usage = message.usage_metadata
    tokens_in = usage["input_tokens"] if usage else 0
    tokens_out = usage["output_tokens"] if usage else 0
    refusal = message.additional_kwargs.get("refusal")
    raw = refusal or _words(message, method)
    match message.response_metadata.get("finish_reason"):
        case _ if refusal:
            error: str | None = REFUSED
        case "length":
            error = TRUNCATED
        case "content_filter":
            error = FILTERED
        case _:
            error = None if raw.strip() else EMPTY
    return Reply(raw=raw, tokens_in=tokens_in, tokens_out=tokens_out, error=error)


def _words(message: AIMessage, method: Method) -> str:
    if method is not Method.FUNCTION_CALLING:
        # langchain's own subclass of str, which nothing that writes JSON takes.
        return str(message.text)
    for call in message.tool_calls:
        return json.dumps(call["args"])
    for broken in message.invalid_tool_calls:
        return broken["args"] or ""
    return ""


def _of_completion(completion: Any, error: str) -> Reply:
    usage, choices = completion.usage, completion.choices
    raw = (choices[0].message.content or "") if choices else ""
    return Reply(
        raw=raw,
        tokens_in=usage.prompt_tokens if usage else 0,
        tokens_out=usage.completion_tokens if usage else 0,
        error=error,
    )


def _of_status(refused: Any) -> Reply:
    status: int = refused.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        pause = _retry_after(refused.response.headers.get("retry-after", ""))
        return Reply(error=AnalystRateLimited.code, retry_after_s=pause)
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return Reply(error=KEY_REFUSED)
    if status == httpx.codes.NOT_FOUND:
        return Reply(error=MODEL_UNKNOWN)
    if status == httpx.codes.REQUEST_TIMEOUT or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Reply(error=AnalystUnavailable.code)
    return Reply(error=REQUEST_REFUSED)


def _retry_after(text: str) -> float:
    """Read seconds; a date or nonsense means the default. Source: RFC 9110, 10.2.3."""
    try:
        seconds = float(text)
    except ValueError:
        return DEFAULT_PAUSE_S
    return min(seconds, MAX_PAUSE_S) if seconds >= 0 else DEFAULT_PAUSE_S
