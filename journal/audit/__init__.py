"""Verify a journal or an export of one, and name the first entry that does not hold.

What is proven: nobody changed, removed, moved or put in an entry, a window, a prompt or a row that
was made from entries, unless he also made the whole chain anew *and* every anchor that is kept
outside the database. Who can write the database, the anchors' file and every copy can forge all of
it; an anchor that a person keeps (`autohedge audit` prints it, `--expect` takes it) is beyond him.
"""
