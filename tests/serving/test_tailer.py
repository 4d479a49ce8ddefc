"""What a reader says of a topic that is not there, and of a broker that fails it."""

import pytest
from confluent_kafka import KafkaError

from processors.errors import RetryableError
from schemas.registry import load_registry
from serving.tailer import Place, TopicTail, nearest


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


class _Fault:
    """What the client hands over of a fault that is of no partition."""

    def error(self) -> KafkaError:
        return KafkaError(KafkaError._ALL_BROKERS_DOWN)

    def partition(self) -> None:
        return None

    def consume(self, *_):
        return [self]


def test_a_fault_of_no_partition_is_told_whichever_partitions_are_read():
    """A fault of the whole consumer is retryable, for a reader of one partition too."""
    tail = TopicTail.__new__(TopicTail)
    tail.topic, tail.places, tail.consumer = "gold.v1", {3: Place(0, 5)}, _Fault()
    with pytest.raises(RetryableError, match=r"gold\.v1: "):
        tail.poll(1, 0.1)
