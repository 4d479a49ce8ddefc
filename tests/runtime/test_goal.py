"""A run that ends once it has caught up: on a real broker, with whatever a topic may end with."""

import pytest
from confluent_kafka import Producer

from processors.runtime.goal import Goal
from processors.runtime.kafka import KafkaDriver
from tests.runtime.echo import CONSENSUS
from tests.runtime.test_kafka import batches, driver_of, offline, publish, running, values
from tests.runtime.ticks import RAW, raw_batch, read_all

pytestmark = pytest.mark.broker
TAIL = 1_100
"""Aborted records behind the last one: more than are looked at first."""


def run_once(servers: str, prefix: str) -> KafkaDriver:
    """Run the echo stage until it ends by itself, and return it."""
    driver = driver_of(servers, prefix, once=True)
    with running(driver) as thread:
        thread.join(120)
        assert not thread.is_alive(), "it did not end by itself"
    return driver


def test_it_ends_by_itself_when_all_is_committed(bootstrap_servers, topic_prefix):
    """The first run does all there is, a second nothing, a third what came since; an empty partition is done."""
    given = batches(700)[:3]
    n = publish(bootstrap_servers, topic_prefix, given)
    assert run_once(bootstrap_servers, topic_prefix).rows == n
    assert values(read_all(bootstrap_servers, topic_prefix + CONSENSUS, n)) | {3: []} == offline(given) | {3: []}
    assert run_once(bootstrap_servers, topic_prefix).rows == 0
    more = publish(bootstrap_servers, topic_prefix, [raw_batch(3, 900_000, 40)])
    assert run_once(bootstrap_servers, topic_prefix).rows == more


def test_nothing_to_do_ends_at_once_again_and_again(bootstrap_servers, topic_prefix):
    """It is stopped while it joins its group: partitions that come while it closes are no fault."""
    publish(bootstrap_servers, topic_prefix, [raw_batch(0, 0, 5)])
    run_once(bootstrap_servers, topic_prefix)
    for _ in range(4):
        assert run_once(bootstrap_servers, topic_prefix).rows == 0


def test_it_ends_though_another_process_has_the_partitions(bootstrap_servers, topic_prefix):
    """What counts is what the group has committed: of two processes either may have done it."""
    n = publish(bootstrap_servers, topic_prefix, batches(500))
    other = driver_of(bootstrap_servers, topic_prefix, instance="other")
    with running(other):
        driver = run_once(bootstrap_servers, topic_prefix)
        assert driver.rows + other.rows == n


def test_marks_and_aborted_records_are_no_goal(bootstrap_servers, topic_prefix, make_topics):
    """The goal is the last committed record, however much that no reader is given lies behind it."""
    (topic,) = make_topics(RAW, partitions=3)
    producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": f"{topic_prefix}p"})
    producer.init_transactions(20)
    for n, ended in ((5, producer.commit_transaction), (TAIL, producer.abort_transaction)):
        producer.begin_transaction()
        for i in range(n):
            producer.produce(topic, str(i), partition=0)
        producer.produce(topic, "x", partition=1 if n == TAIL else 2)
        producer.flush(20)
        ended(20)
    goal = Goal.now(bootstrap_servers, f"{topic_prefix}g", [topic])
    assert goal.next_offset == {topic: {0: 5, 2: 1}}
    assert not goal.is_reached()
    assert goal.progress() == (0, 6)
