"""The journal of a run on event time: the same chain, linked within the call."""

from journal.inline.file import JournalFile
from journal.inline.memory import InlineJournal

__all__ = ["InlineJournal", "JournalFile"]
