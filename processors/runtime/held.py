"""What a process holds of its group's partitions, and from when on it may work on one.

A state belongs to a partition number of all topics that are read. Brokers may give and take them in pieces: a partition
is whole, so worked on, only while this process holds it in every topic. Two processes can then never work on the same
one, whatever the assignor does, and the state of a partition is given up with the first of its topics.
"""

from collections.abc import Iterable, Sequence

from confluent_kafka import TopicPartition


class Held:
    """Topics and partitions that this process holds.

    Parameters
    ----------
    topics
        All that are read, by full name.
    """

    def __init__(self, topics: Sequence[str]) -> None:
        self.topics = tuple(topics)
        self._of: dict[int, set[str]] = {}

    def add(self, places: Iterable[TopicPartition]) -> list[int]:
        """Take note of what was assigned; return the partitions that became whole by it, ascending."""
        before = self.whole()
        for place in places:
            self._of.setdefault(place.partition, set()).add(place.topic)
        return sorted(self.whole() - before)

    def remove(self, places: Iterable[TopicPartition]) -> list[int]:
        """Take note of what was taken away; return the partitions that were whole and are no more, ascending."""
        before = self.whole()
        for place in places:
            self._of.get(place.partition, set()).discard(place.topic)
        return sorted(before - self.whole())

    def whole(self) -> set[int]:
        """Return the partitions that are held in every topic."""
        return {p for p, topics in self._of.items() if len(topics) == len(self.topics)}

    def places(self, partitions: Iterable[int]) -> list[TopicPartition]:
        """Return what is held of some partitions, in the order of the topics."""
        return [TopicPartition(t, p) for p in partitions for t in self.topics if t in self._of.get(p, ())]
