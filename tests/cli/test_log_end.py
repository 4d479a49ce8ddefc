"""How far time has come is known, although older ticks were published behind newer ones."""

import time

import fastavro
import pytest
from confluent_kafka import Producer

from cli.log_end import CONSENSUS, RAW, newest_event_ns, read_newest
from processors.reconcile.config import ReconcileConfig
from processors.runtime.codec import wire_record
from processors.runtime.topics import create_topics, describe_topics
from schemas.registry import load_registry
from tests.contract.test_schemas import examples

pytestmark = pytest.mark.broker

HOUR_NS = 3_600_000_000_000
LATENESS_NS = ReconcileConfig().lateness_ms * 1_000_000


@pytest.fixture
def publish(bootstrap_servers, topic_prefix):
    """Return a function that publishes records of a topic to partition 1 in one transaction."""
    create_topics(bootstrap_servers, topic_prefix, [RAW, CONSENSUS])
    producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": topic_prefix})
    producer.init_transactions(20)

    def end(topic: str) -> int:
        states = describe_topics(bootstrap_servers, topic_prefix)
        return next(s.end_offsets[1] for s in states if s.name.endswith(topic))

    def to(topic: str, *records: dict | bytes) -> None:
        entry = load_registry().current(topic)
        schema = fastavro.parse_schema(entry.schema)
        expected = end(topic) + len(records) + 1
        producer.begin_transaction()
        for record in records:
            value = record if isinstance(record, bytes) else wire_record(entry.id, schema, record)
            producer.produce(topic_prefix + topic, value, b"key", 1)
        producer.commit_transaction(20)
        # The mark is written a moment after the call returns.
        deadline_s = time.monotonic() + 20
        while end(topic) < expected:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)

    return to


def test_older_ticks_behind_newer_do_not_hide_how_far_time_has_come(bootstrap_servers, topic_prefix, publish):
    """The greatest time of unread raw ticks and of the watermark counts, not that of the last record."""

    def newest() -> int:
        found = newest_event_ns(bootstrap_servers, topic_prefix)
        assert found.keys() <= {1}
        return found.get(1, 0)

    assert newest() == 0
    tick, consensus = examples("RawTick")[0], examples("ConsensusTick")[0]
    at = tick["ts_event"]
    publish(RAW, *({**tick, "ts_event": at + i * HOUR_NS} for i in (0, 5, 1)), b"no record")
    assert newest() == at + 5 * HOUR_NS
    # Once reconcile has done them, its watermark remembers the greatest of them.
    publish(CONSENSUS, {**consensus, "watermark": at + 5 * HOUR_NS - LATENESS_NS, "raw_offset": 2})
    assert newest() == at + 5 * HOUR_NS
    publish(RAW, {**tick, "ts_event": at + 2 * HOUR_NS})
    assert newest() == at + 5 * HOUR_NS
    publish(RAW, {**tick, "ts_event": at + 7 * HOUR_NS}, {**tick, "ts_event": at})
    assert newest() == at + 7 * HOUR_NS


def test_only_the_newest_records_are_read_in_their_order(bootstrap_servers, topic_prefix, publish):
    """So many offsets from the end; marks of transactions and what is no record are left out."""
    tick = examples("RawTick")[0]
    for i in range(4):
        publish(RAW, {**tick, "ts_event": tick["ts_event"] + i}, b"no record")
    state = next(s for s in describe_topics(bootstrap_servers, topic_prefix) if s.name.endswith(RAW))
    assert state.offsets == 12
    found = read_newest(bootstrap_servers, state, RAW, 6)
    assert [int(t) - tick["ts_event"] for t in found[1]["ts_event"]] == [2, 3]
    assert read_newest(bootstrap_servers, state, RAW, 6, {1: 12}) == {}
