"""What a process holds, assigned and taken away in pieces."""

from confluent_kafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from processors.runtime.held import Held

TOPICS = ("a", "b", "c")
PLACES = [(t, p) for p in range(3) for t in TOPICS]


def test_one_topic_is_whole_at_once() -> None:
    """With a single topic every assigned partition is worked on, and given up when it is taken away."""
    held = Held(["a"])
    assert held.add([TopicPartition("a", 2), TopicPartition("a", 0)]) == [0, 2]
    assert held.remove([TopicPartition("a", 2)]) == [2]
    assert held.whole() == {0}


@given(st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from(PLACES), min_size=1, max_size=5, unique=True))))
def test_a_partition_is_whole_while_all_its_topics_are_held(changes: list[tuple[bool, list[tuple[str, int]]]]) -> None:
    """Whatever is given and taken, in whatever pieces, what became whole and what ceased to be are told once each."""
    held, naive, working = Held(TOPICS), set(), set()
    for given_ones, places in changes:
        told = (held.add if given_ones else held.remove)([TopicPartition(t, p) for t, p in places])
        naive = naive | set(places) if given_ones else naive - set(places)
        whole = {p for p in range(3) if all((t, p) in naive for t in TOPICS)}
        assert set(told) == (whole - working if given_ones else working - whole)
        working = whole
        assert held.whole() == whole
        assert {(p.topic, p.partition) for p in held.places(range(3))} == naive
