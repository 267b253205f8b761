"""Anchors outlive the database they speak of."""

import pytest

from domain.errors import JournalError
from journal.anchors import Anchor, AnchorFile


def test_anchors_are_read_in_the_order_they_were_added(tmp_path):
    """The last one is the newest."""
    file = AnchorFile(tmp_path / "a.anchors")
    assert file.read() == []
    anchors = [Anchor(seq=n, ts=n, hash="ab") for n in (1, 2)]
    for anchor in anchors:
        file.add(anchor)
    assert file.read() == anchors


def test_a_torn_last_line_is_no_anchor(tmp_path):
    """A crash while an anchor was written costs that anchor alone."""
    file = AnchorFile(tmp_path / "a.anchors")
    file.add(Anchor(seq=1, ts=1, hash="ab"))
    with file.path.open("ab") as raw:
        raw.write(b'{"hash":"cd","se')
    assert [anchor.seq for anchor in file.read()] == [1]


def test_a_line_that_is_no_anchor_is_named(tmp_path):
    """A witness changed by hand is not believed."""
    path = tmp_path / "a.anchors"
    path.write_bytes(b'{"seq":1}\n')
    with pytest.raises(JournalError, match="no anchor") as caught:
        AnchorFile(path).read()
    assert "\n" not in caught.value.line
