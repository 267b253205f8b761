"""The chain's hash covers everything about an entry."""

import hashlib

import msgspec
import pytest

from domain.errors import InvariantBroken
from domain.ports import Entry, EntryKind
from domain.records import canonical
from journal.chain import GENESIS, Head, Line, entry_hash, kept_contents, link, named_contents, seal

LINE = Line(1, 1_700_000_000_000_000_000, "alert", "x", b'{"code":"A"}')


def test_the_hash_is_sha256_of_the_previous_hash_the_name_and_the_body():
    """Anyone can verify a chain with a few lines of another language."""
    text = bytes(32) + b'[1,1700000000000000000,"alert","x"]{"code":"A"}'
    assert entry_hash(GENESIS, LINE) == hashlib.sha256(text).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 2},
        {"ts": 1},
        {"kind": "fill"},
        {"ref": "y"},
        {"body": b'{"code":"B"}'},
        {"ref": 'x"]{', "body": b'"code":"A"}'},
    ],
)
def test_any_change_changes_the_hash(change):
    """Also one that moves text from one field to the next."""
    assert entry_hash(GENESIS, msgspec.structs.replace(LINE, **change)) != entry_hash(GENESIS, LINE)
    assert entry_hash(b"\1" + GENESIS[1:], LINE) != entry_hash(GENESIS, LINE)


def test_link_goes_on_from_the_head():
    """Each entry stands on the one before."""
    entry = Entry(kind=EntryKind.SESSION, ref="s", body={"state": "running"})
    first = link(Head(), seal(entry, 5))
    second = link(first, seal(entry, 5))
    assert (first.seq, second.seq) == (1, 2)
    assert second.hash != first.hash


def test_a_body_may_hold_records_or_their_plain_form():
    """Both encode to the same bytes, so callers need not convert."""
    session = {"state": "running", "reason": "x"}
    plain = seal(Entry(kind=EntryKind.SESSION, ref="s", body=session), 1)
    other = seal(Entry(kind=EntryKind.SESSION, ref="s", body=dict(reversed(session.items()))), 1)
    assert plain.body == other.body == b'{"reason":"x","state":"running"}'


def test_a_decisions_large_parts_are_named_by_their_digests():
    """The chain covers window and prompts without holding them."""
    window = {"symbol": "AAPL", "b": 1, "a": [1.5]}
    named = hashlib.sha256(canonical(window)).hexdigest()
    decision = {
        "id": "d1",
        "symbol": "AAPL",
        "window_digest": named,
        "analyst": "rules",
        "outcome": "held",
        "reason_code": "HOLD",
        "as_of": "t",
        "graph_version": "1",
    }
    body = {"decision": decision, "window": window, "prompts": {"p": "What now?"}}
    sealed = seal(Entry(kind=EntryKind.DECISION, ref="d1", body=body), 1)
    prompt = hashlib.sha256(b"What now?").hexdigest()
    kept = msgspec.json.decode(sealed.body)
    assert (kept["window"], kept["prompts"]) == (named, {"p": prompt})
    assert body["window"] is window
    assert named_contents("decision", sealed.body) == {named, prompt}
    assert kept_contents(sealed.content) == {named, prompt}
    assert named_contents("alert", b"{}") == frozenset()
    assert sealed.size == len(sealed.body) + len(sealed.content)


def test_a_decision_without_window_and_prompts_keeps_no_content():
    """The content is there only when there is something to keep."""
    decision = {
        "id": "d1",
        "symbol": "AAPL",
        "window_digest": "",
        "analyst": "rules",
        "outcome": "invalid",
        "reason_code": "WINDOW",
        "as_of": "t",
        "graph_version": "1",
    }
    sealed = seal(Entry(kind=EntryKind.DECISION, ref="d1", body={"decision": decision}), 1)
    assert sealed.content is None
    assert named_contents("decision", sealed.body) == frozenset()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (EntryKind.INTENT, {}),
        (EntryKind.EQUITY, {"equity": "much", "cash": "1", "day_start": "1", "peak": "1"}),
        (EntryKind.ALERT, {"code": "A", "message": object()}),
        (EntryKind.ALERT, {"code": "A", "message": "\ud800"}),
        (EntryKind.DECISION, {"decision": {}, "prompts": None}),
        (EntryKind.DECISION, {"decision": {}, "prompts": {"p": 1}}),
        (EntryKind.DECISION, {"decision": {"id": 1}}),
    ],
)
def test_a_body_of_the_wrong_shape_names_its_kind(kind, body):
    """A bug of ours is told at the hand-over, before it could poison a batch."""
    with pytest.raises(InvariantBroken, match=kind.value):
        seal(Entry(kind=kind, ref="x", body=body), 1)
