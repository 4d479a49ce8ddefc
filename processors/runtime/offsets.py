"""How far a consumer group has come, asked from outside without disturbing it.

Called by the demo and by ``mps doctor``. Not by the admin client: its call for the same dereferences a null pointer
inside librdkafka (its issue 5040) while the group's coordinator is loading or unknown, as it is right after a start.
"""

import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

from processors.errors import RetryableError

TRIES_S_MAX = 20.0
"""A coordinator that loads its partition, or is just being made, answers within a few seconds."""
TRY_AGAIN_S = 0.1


class GroupOffsets:
    """Reads the committed offsets of one group in one topic, by a consumer that never joins.

    Parameters
    ----------
    group, topic
        Full names, prefix included.
    """

    def __init__(self, bootstrap_servers: str, group: str, topic: str, partitions: int) -> None:
        self.group = group
        self._places = [TopicPartition(topic, p) for p in range(partitions)]
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": group,
                "enable.auto.commit": False,
                # An open transaction is not waited for: what was committed before it is the answer.
                "isolation.level": "read_uncommitted",
                "log_level": 0,
            }
        )

    def committed(self) -> dict[int, int]:
        """Return partition -> offset of the next record to be read; a negative number where nothing was committed.

        Raises
        ------
        RetryableError
            No coordinator answered within ``TRIES_S_MAX``.
        """
        deadline_s = time.monotonic() + TRIES_S_MAX
        while True:
            try:
                found = self._consumer.committed(self._places, timeout=TRIES_S_MAX)
            except KafkaException as e:
                fault = e.args[0]
            else:
                fault = next((place.error for place in found if place.error is not None), None)
                if fault is None:
                    return {place.partition: place.offset for place in found}
            if time.monotonic() > deadline_s:
                raise RetryableError(f"offsets of group {self.group}: {fault.str()}")
            time.sleep(TRY_AGAIN_S)

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()
