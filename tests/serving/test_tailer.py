"""What a reader says of a topic that is not there."""

from schemas.registry import load_registry
from serving.tailer import nearest


def test_topics_are_named_by_likeness_and_what_is_like_none_by_name():
    """A slip has the topic meant in front, then the others by name; a name like no other has all of them by name."""
    topics = list(load_registry().topics)
    for slip, meant in (("signal.v1", "signals.v1"), ("bar.v1", "bars.v1"), ("dead.leter", "dead.letter.v1")):
        assert nearest(slip, topics)[0] == meant
    assert nearest("nope.v1", topics) == sorted(topics)
    named = nearest("evnts.v1", topics)
    assert named[0] == "events.v1"
    assert sorted(named) == sorted(topics)
    assert nearest("x", ["goldx.v1", "gold.v1"]) == ["gold.v1", "goldx.v1"]
