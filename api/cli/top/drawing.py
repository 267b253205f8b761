"""Draw a snapshot as lines of a terminal: the most important first, none wider than it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.text import Text

from api.cli.top.snapshot import DecisionLine, Snapshot
from api.logs.redaction import printable
from domain.records import NS_PER_S, parse_ns
from engine.control import PositionView, ProtectedBy, Status, SymbolStatus

NARROW = 60
"""Columns below which tables leave out what can be done without."""

GOOD, BAD, DULL, HEAD = "green", "bold red", "dim", "bold"
_STATE = {"active": GOOD, "reducing": "yellow", "halted": BAD}
_OUTCOME = {"ordered": GOOD, "abstained": "yellow", "invalid": BAD}
_HELP = (
    "q       leave (Ctrl-C too)",
    "h       this help, and back",
    "",
    "top only looks. To act: autohedge halt, or HTTP (docs/reference/http.md).",
    "State stands in words, colours only repeat it; NO_COLOR=1 takes them away.",
    "AGE is seconds since the last quote. PROTECTED says who would close at the stop:",
    "venue (an order rests there), engine (this bot watches the price), none.",
)


def draw(shown: Snapshot, *, width: int, height: int, is_help: bool = False) -> list[Text]:
    """Return at most `height` lines of at most `width` characters."""
    lines = [_title(shown, width)]
    if is_help:
        lines += [Text(line) for line in _HELP]
    elif shown.status is None:
        lines += [Text(shown.fault, style="yellow"), Text(f"Waiting for a bot at {shown.url}")]
    else:
        lines += list(_head(shown, shown.status, width))
        lines += _body(shown, shown.status, room=height - len(lines) - 1, width=width)
    lines = lines[: height - 1]
    lines += [Text("")] * (height - 1 - len(lines))
    return [_cut(line, width) for line in (*lines, Text("q leave   h help", style=DULL))]


def _title(shown: Snapshot, width: int) -> Text:
    status = shown.status
    who = "" if status is None else f" {status.mode}, {status.analyst} decides"
    clock = f"{datetime.now(UTC):%H:%M:%S} UTC"
    left = f"AutoHedge{who}  {shown.url}" if width >= NARROW else f"AutoHedge{who}"
    return Text(f"{left:<{max(0, width - len(clock) - 1)}} {clock}", style=HEAD)


def _head(shown: Snapshot, status: Status, width: int) -> Iterator[Text]:
    if shown.fault:
        yield Text("NOT CONNECTED: what follows is old", style=BAD)
        yield Text(shown.fault, style="yellow")
    code = "" if status.trading_code in {"", "RESUMED"} else f" {status.trading_code}"
    state = Text("trading ", style=DULL)
    state.append(f"{status.trading.upper()}{code}", style=_STATE.get(status.trading, BAD))
    state.append(f"  session {status.session}")
    parts = _parts(status)
    if len(state) + len(parts) + 2 <= width:
        yield Text("  ").join([state, parts])
    else:
        yield from (state, parts)
    if status.trading_reason and code:
        yield Text(f"  {printable(status.trading_reason)}", style=DULL)
    yield from _money(shown, status, width)


def _parts(status: Status) -> Text:
    """Say of each part whether it works."""
    said = Text()
    for name, is_up in (
        ("feed", status.is_feed_up),
        ("orders", status.is_order_stream_up),
        ("journal", status.is_journal_up),
        ("books", status.is_reconciled),
    ):
        said.append(f"{'  ' if said else ''}{name} ")
        said.append("ok" if is_up else "DOWN", style=GOOD if is_up else BAD)
    return said


def _money(shown: Snapshot, status: Status, width: int) -> Iterator[Text]:
    equity = "-" if status.equity is None else f"{status.equity:,.2f}"
    day = "-" if status.day_pnl is None else f"{status.day_pnl:+,.2f}"
    model = f"model ${status.model_cost_usd:.2f}"
    if shown.budget is not None:
        limit = shown.budget.usd_per_day
        model = f"model ${shown.budget.spent_usd:.2f}" + ("" if limit is None else f"/{limit:g}")
    skew = "" if status.clock_skew_s is None else f"  skew {status.clock_skew_s:+.3f} s"
    pending = f"  APPROVALS {status.approvals_pending}" if status.approvals_pending else ""
    money = f"equity {equity}  day {day}  {model}"
    queue = f"slots {status.slots_busy}/{status.slots}  queue {status.tickets_waiting}"
    if width < len(money) + len(queue) + len(skew) + len(pending) + 2:
        yield Text(money)
        yield Text(f"{queue}{skew}{pending}")
    else:
        yield Text(f"{money}  {queue}{skew}{pending}")


def _body(shown: Snapshot, status: Status, *, room: int, width: int) -> list[Text]:
    """Share the room: symbols and positions what they need up to a share, decisions the rest."""
    symbols = list(_symbols(status.symbols, width))
    positions = list(_positions(shown.positions, width))
    told = list(_told(shown, status))
    n_positions = min(len(positions), max(2, room // 4)) if positions else 0
    n_told = min(len(told), max(2, room // 5)) if told else 0
    n_symbols = min(len(symbols), max(3, (room - n_positions - n_told) // 2))
    left = room - n_positions - n_told - n_symbols
    return [
        *_first(symbols, n_symbols),
        *_first(positions, n_positions),
        *list(_decisions(shown.decisions, width))[: max(0, left)],
        *told[:n_told],
    ]


def _first(lines: Sequence[Text], room: int) -> Iterator[Text]:
    """Yield what fits, and how many more there are."""
    if len(lines) <= room:
        yield from lines
    elif room:
        yield from lines[: room - 1]
        yield Text(f"  and {len(lines) - room + 1} more", style=DULL)


def _symbols(symbols: Sequence[SymbolStatus], width: int) -> Iterator[Text]:
    is_wide = width >= NARROW
    tail = f"{'BARS':>5}  STATE" if is_wide else "STATE"
    yield Text(f"{'SYMBOL':<10}{'PRICE':>12}{'AGE':>7}  {tail}", style=HEAD)
    for each in sorted(symbols, key=_is_well):
        price = "-" if each.last_price is None else f"{each.last_price:,.6g}"
        if each.bid is not None and each.ask is not None:
            price = f"{(each.bid + each.ask) / 2:,.2f}"
        age = "-" if each.quote_age_s is None else f"{min(each.quote_age_s, 9999):.1f}"
        line = Text(f"{each.symbol:<10}{price:>12}{age:>7}  ")
        line.append(f"{each.bars:>5}  " if is_wide else "")
        word = _word(each)
        line.append(word, style=GOOD if word == "ok" else "yellow")
        yield line


def _is_well(symbol: SymbolStatus) -> bool:
    """Put first what needs a look."""
    return _word(symbol) == "ok"


def _word(symbol: SymbolStatus) -> str:
    for is_so, word in (
        (symbol.is_stale, "STALE: no feed"),
        (symbol.is_halted, "HALTED by its market"),
        (symbol.is_reducing, "reducing: traded by hand"),
        (not symbol.is_warm, "warming up"),
        (symbol.session == "closed", "closed"),
    ):
        if is_so:
            return word
    return "ok"


def _positions(positions: Sequence[PositionView], width: int) -> Iterator[Text]:
    if not positions:
        return
    is_wide = width >= NARROW
    tail = f"{'STOP':>12}  PROTECTED" if is_wide else "PROTECTED"
    yield Text(f"{'POSITION':<10}{'QUANTITY':>12}{'P/L':>11}  {tail}", style=HEAD)
    for held in sorted(positions, key=lambda each: each.protected_by is ProtectedBy.VENUE):
        stop = "-" if held.stop_price is None else f"{held.stop_price:,}"
        line = Text(f"{held.symbol:<10}{held.quantity:>12.8g}{held.unrealized_pnl:>+11,.2f}  ")
        line.append(f"{stop:>12}  " if is_wide else "")
        if not held.is_ours:
            line.append("not ours", style=DULL)
        elif held.is_dust:
            line.append("dust", style=DULL)
        else:
            is_safe = held.protected_by is ProtectedBy.VENUE
            line.append(held.protected_by.value, style=GOOD if is_safe else BAD)
        yield line


def _decisions(decisions: Sequence[DecisionLine], width: int) -> Iterator[Text]:
    yield Text(f"{'DECIDED':<10}{'SYMBOL':<10}{'WANTS':<11}CAME TO", style=HEAD)
    if not decisions:
        yield Text("  none yet: symbols warm up, then decide at each bar", style=DULL)
    for each in decisions:
        at = datetime.fromtimestamp(parse_ns(each.ts_end) / NS_PER_S, UTC) if each.ts_end else None
        when = "" if at is None else f"{at:%H:%M:%S}"
        sure = "" if each.confidence is None else f" {each.confidence:.2f}"
        line = Text(f"{when:<10}{each.symbol:<10}{(each.action or '-') + sure:<11}")
        line.append(each.outcome, style=_OUTCOME.get(each.outcome, ""))
        why = each.denial_code or each.reason_code
        line.append(f" {'DENIED ' if each.denial_code else ''}{why}", style=DULL)
        if each.cost_usd and width >= NARROW:
            line.append(f"  ${each.cost_usd:.4f}", style=DULL)
        yield line


def _told(shown: Snapshot, status: Status) -> Iterator[Text]:
    """Show what the operator was told last, and the last events."""
    yield Text("TOLD", style=HEAD)
    for notice in reversed(status.notices):
        at = notice.ts[11:19]
        yield Text(f"{at:<10}{notice.code} {printable(notice.message)}", style="yellow")
    for event in reversed(shown.happenings):
        yield Text(f"{event.at:<10}{event.kind} {printable(event.words)}", style=DULL)


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line
