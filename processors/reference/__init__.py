"""Reference data: which securities there are, what is known of them, and since when.

    files -> load (all checked, or nothing) -> reference.v1, fundamentals.v1, events.v1 -> master, facts as known

Every record has two times: from when it holds or when it happens, and from when it could be known. ``master`` answers
what a symbol was at an instant as known at another, ``known`` joins facts to rows only as known, ``symbols`` follows a
ticker through its changes. ``actions`` has the corporate actions. All three topics are compacted: a record is kept for
ever under the key of what it says, and a correction is another record, known later.
"""

TOPICS = ("reference.v1", "fundamentals.v1", "events.v1")
"""Topics that are written by an import and read by whoever asks."""
