"""Say what requests may hold and how answers look; times leave as RFC 3339, money as strings.

Requests are pydantic models: strangers write them. Answers are the engine's and the journal's own
records, and the OpenAPI schemas are made from those same types, so the two cannot drift apart.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Generic, TypeVar

import msgspec
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api.problems import MEDIA_TYPE, Problem, TooMuch
from domain.decisions import Decision
from domain.market import Instrument
from domain.orders import Order
from domain.records import Record, format_ns
from engine.control import (
    AccountView,
    ApprovalResult,
    ApprovalView,
    PositionView,
    Status,
    Sweep,
    TicketView,
)
from engine.figures import BarsView, LimitUse, Vitals
from engine.orders.looks import Reconciliation
from journal.reads.decisions import DecisionRow, Story
from journal.reads.funnel import Reached
from journal.reads.orders import FillRow, OrderRow
from journal.reads.queries import Page
from journal.reads.report import Report
from journal.reads.states import EquityRow, OperatorActionRow

B = TypeVar("B", bound=BaseModel)
T = TypeVar("T")

Responses = dict[int | str, dict[str, Any]]

MAX_BODY = 64 * 1024
_REF = "#/components/schemas/{name}"


class Body(BaseModel):
    """What a control may be given; nothing at all is well too."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=500, examples=["lunch"], description="For the journal.")


class ResumeBody(Body):
    """Which reason is resolved: `code`, or `reason` when it holds nothing but the code."""

    code: str = Field(
        "",
        max_length=64,
        examples=["DAILY_LOSS_REACHED"],
        description="The code that trading was lowered for, as /status shows it.",
    )

    @property
    def resolved(self) -> str:
        """Return the code that the person names."""
        return self.code or self.reason.strip()


class FlattenBody(Body):
    """How much is closed."""

    account_wide: bool = Field(
        default=False, description="Also what is not the bot's: everything in the account."
    )


class CancelBody(Body):
    """What is cancelled."""

    protective: bool = Field(
        default=False, description="Also stops and targets; this halts trading."
    )


class ReconcileBody(Body):
    """Whether differences are accepted."""

    repair: bool = Field(
        default=False, description="Accept the venue's word where it differs; never trades."
    )


class Health(Record, frozen=True):
    """Whether the process answers (`ok`), and which of its parts do not work (`degraded`)."""

    status: str
    version: str
    session: str
    trading: str
    parts: dict[str, bool]


class SweptPage(Page[T], Generic[T], frozen=True):
    """A list with what became of the cancels, and how soon the venue answered the last one."""

    sweep: Sweep | None = None


class WindowFile(Record, frozen=True):
    """One window as a file: what replay and Studio take."""

    schema: int
    window: dict[str, Any]


class ReportView(Report, frozen=True):
    """The report with its sum: profit after fees and the model's cost, in dollars."""

    net_usd: str


class Funnel(Reached, frozen=True):
    """How far runs came since a time; `due` and `started` only from the process's start on.

    `due` counts reasons to run: a symbol that is due twice before its run is run once.
    """

    since_ns: int
    due: int | None
    started: int | None


class Replayed(Record, frozen=True):
    """A decision run again on its own window: the same to the byte, or what differs, line by line.

    Nothing of a replay can order.
    """

    decision_id: str
    analyst: str
    is_same: bool
    differences: tuple[str, ...]
    decision: Decision


ANSWERS: tuple[Any, ...] = (
    Status,
    Health,
    AccountView,
    Page[PositionView],
    SweptPage[PositionView],
    SweptPage[Order],
    Page[Instrument],
    Page[Order],
    Page[OrderRow],
    Page[DecisionRow],
    Page[ApprovalView],
    Page[LimitUse],
    Page[EquityRow],
    Page[FillRow],
    Page[OperatorActionRow],
    BarsView,
    Vitals,
    Funnel,
    Replayed,
    ApprovalResult,
    Story,
    WindowFile,
    ReportView,
    TicketView,
    Reconciliation,
)


async def read_body(request: Request, kind: type[B]) -> B:
    """Read a control's body; an empty one holds the defaults.

    Which content types come this far is the gate's business (`api.security.gate`).
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise TooMuch(
                f"The body is larger than {MAX_BODY} bytes.",
                remedy="A control takes a short JSON object.",
                code="BODY_TOO_LARGE",
            )
    try:
        return kind.model_validate_json(bytes(raw) or b"{}")
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in found]) from None


def reply(answer: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Answer with a record in JSON."""
    return Response(encode(answer), status_code=status, media_type="application/json")


def encode(value: Any) -> bytes:
    """Encode a record, its times as RFC 3339; a window within stays as its digest names it."""
    return msgspec.json.encode(_with_times(msgspec.to_builtins(value)))


def _with_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {_shown_name(name): _shown(name, item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_times(item) for item in value]
    return value


def _shown(name: str, value: Any) -> Any:
    if _is_time(name) and type(value) is int:
        return format_ns(value) if value else None
    return value if name == "window" else _with_times(value)


def _is_time(name: str) -> bool:
    return name == "ts" or name.startswith("ts_") or name.endswith("_ns")


def _shown_name(name: str) -> str:
    return name.removesuffix("_ns")


def components() -> dict[str, Any]:
    """Return the JSON schema of every answer by name, as `encode` writes it."""
    _, schemas = msgspec.json.schema_components(ANSWERS, ref_template=_REF)
    for schema in schemas.values():
        if "properties" in schema:
            schema["properties"] = {
                _shown_name(name): _shown_schema(name, inner)
                for name, inner in schema["properties"].items()
            }
            schema["required"] = [_shown_name(name) for name in schema.get("required", ())]
    problems = Problem.model_json_schema(ref_template=_REF.replace("name", "model"))
    return {**schemas, **problems.pop("$defs"), "Problem": problems}


def _shown_schema(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    if _is_time(name) and ("integer" in str(schema)):
        return {"type": ["string", "null"], "format": "date-time"}
    return schema


def answers(kind: Any, example: Any, status: HTTPStatus = HTTPStatus.OK) -> Responses:
    """Document an answer for OpenAPI, in `responses=`."""
    (ref,), _ = msgspec.json.schema_components((kind,), ref_template=_REF)
    content = {"application/json": {"schema": ref, "example": example}}
    return {int(status): {"description": status.phrase, "content": content}}


def refuses(*statuses: HTTPStatus) -> Responses:
    """Document the problems of an operation."""
    return {int(status): problem(status.phrase) for status in statuses}


def problem(description: str) -> dict[str, Any]:
    """Document a problem."""
    schema = {"$ref": _REF.format(name="Problem")}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


def takes(kind: type[BaseModel], **example: Any) -> dict[str, Any]:
    """Document an optional JSON body, in `openapi_extra=`."""
    content = {"schema": kind.model_json_schema(), "example": example}
    return {"requestBody": {"required": False, "content": {"application/json": content}}}
