"""What the inbox commits, and what is told once though its topic be read again."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from processors.feedback.app import BARS, ROLLOVERS, Feedback, Settings
from processors.feedback.config import FeedbackConfig
from processors.feedback.inbox import GROUP, ROWS, Inbox
from processors.feedback.outbox import ALERTS
from processors.feedback.records import Writer
from processors.runtime.topics import create_changelog, create_topics
from schemas.instruments import load_instruments
from tests.runtime.ticks import REPOSITORY

PARTITIONS = 4
ROLL: dict[str, Any] = json.loads((REPOSITORY / "schemas/examples/Rollover.json").read_text(encoding="utf-8"))[0]


def feedback() -> Feedback:
    """Return a process that is not started."""
    return Feedback(FeedbackConfig(), Settings("nobody:1", "", "127.0.0.1", 0, PARTITIONS), load_instruments())


def test_a_roll_is_told_once() -> None:
    """A roll that is read again is no second alert, in the same process or the next; another roll is one."""
    record = Writer(ROLLOVERS).write(ROLL)
    first = feedback()
    told = first.apply(ROLLOVERS, record)
    assert [write.topic for write in told] == [ALERTS, ROWS]
    assert first.apply(ROLLOVERS, record) == []
    second = feedback()
    second.restore({write.key.decode(): json.loads(write.value) for write in told if write.topic == ROWS})
    assert second.apply(ROLLOVERS, record) == []
    assert len(second.apply(ROLLOVERS, Writer(ROLLOVERS).write({**ROLL, "ts": ROLL["ts"] + 1}))) == 2


@pytest.mark.broker
def test_positions_are_committed_where_nothing_comes(bootstrap_servers: str, topic_prefix: str) -> None:
    """Topics in which nothing comes have committed offsets too, so that brokers do not forget where they were read."""
    topics = [ROLLOVERS, BARS]
    create_topics(bootstrap_servers, topic_prefix, topics, partitions=PARTITIONS)
    create_changelog(bootstrap_servers, topic_prefix + ROWS, PARTITIONS)
    inbox = Inbox(bootstrap_servers, topic_prefix, topics, PARTITIONS, lambda *_: [], lambda _: None)
    reader = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": topic_prefix + GROUP})
    places = [TopicPartition(topic_prefix + topic, p) for topic in topics for p in range(PARTITIONS)]

    async def until_committed() -> list[int]:
        task = asyncio.create_task(inbox.run())
        offsets = [-1]
        for _ in range(100):
            await asyncio.sleep(0.1)
            # The coordinator of a group that is made now is not there at once.
            with suppress(KafkaException):
                offsets = [p.offset for p in await asyncio.to_thread(reader.committed, places, 10)]
            if min(offsets) >= 0:
                break
        inbox.close()
        await task
        return offsets

    try:
        assert asyncio.run(until_committed()) == [0] * len(places)
    finally:
        reader.close()
