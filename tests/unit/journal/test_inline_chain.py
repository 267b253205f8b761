"""The chain in memory: the same end whether its entries are kept or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvariantBroken
from domain.ports import Entry, EntryKind
from engine.clock import ManualClock
from journal.chain import Head, link
from journal.inline import InlineJournal

ENTRIES = st.builds(
    lambda code, message, ref: Entry(
        kind=EntryKind.ALERT, ref=ref, body={"code": code, "message": message}
    ),
    st.text(max_size=9),
    st.text(max_size=40),
    st.text(max_size=9),
)


@given(batches=st.lists(st.lists(ENTRIES, min_size=1, max_size=4), max_size=5))
def test_the_digest_is_the_same_whether_entries_are_kept_or_not(batches):
    """A run without a journal's file names what happened by the same hash as one with it."""
    kept, heard, clock = [], [[], []], ManualClock()
    with_file = InlineJournal(clock, keep=kept.append, hear=heard[0].append)
    without = InlineJournal(clock, hear=heard[1].append)
    for batch in batches:
        clock._now += 1
        for journal in (with_file, without):
            journal.trace(*batch)
        assert (with_file.digest, with_file.seq) == (without.digest, without.seq)
    assert heard[0] == heard[1] == [entry for batch in batches for entry in batch]
    head = Head()
    for sealed in kept:
        head = link(head, sealed)
    assert (head.hash.hex(), head.seq) == (without.digest, len(heard[0]))


@given(st.lists(ENTRIES, min_size=2, max_size=4, unique_by=lambda entry: entry.body["message"]))
def test_the_digest_tells_of_order_time_and_words(entries):
    """Any other history has another end."""

    def digest(rows, ts=0):
        journal = InlineJournal(ManualClock(ts))
        journal.trace(*rows)
        return journal.digest

    others = [digest(entries[::-1]), digest(entries, 1), digest(entries[:-1])]
    assert digest(entries) == digest(entries)
    assert digest(entries) not in others


def test_an_entry_that_is_kept_is_read_first():
    """A wrong one ends the run before it is written anywhere."""
    kept = []
    journal = InlineJournal(ManualClock(), keep=kept.append)
    with pytest.raises(InvariantBroken):
        journal.trace(Entry(kind=EntryKind.ALERT, ref="", body={"code": 1}))
    assert (kept, journal.seq) == ([], 0)
