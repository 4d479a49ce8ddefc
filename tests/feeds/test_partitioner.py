"""The partition of a key, against Kafka itself."""

import numpy as np
import pytest
from confluent_kafka import Producer

from processors.feeds.partitioner import Partitioner, partition_of
from processors.runtime.strings import STRINGS

KEYS = (
    b"EURUSD:FX", b"NZDUSD:FX", b"XAUUSD:CFD", b"BTC-USD:CRYPTO", b"ETH-USD:CRYPTO", b"AIG:US", b"BAC:US", b"IBM:US",
    b"SPY:US", b"GC:CMX", b"ES:CME", b"CL:NYM", b"", b"a", b"ab", b"abc", b"abcd", b"\xff\x80\x00\x7f\xfe",
    b"0123456789" * 7,
)  # fmt: skip
"""Lengths of every remainder by 4, bytes above 127, and the empty key."""

OF_13 = (7, 9, 7, 0, 1, 11, 1, 5, 7, 11, 7, 3, 11, 5, 10, 12, 11, 12, 12)
"""Where librdkafka's murmur2_random put these keys in a topic of 13 partitions."""


def test_keys_go_where_kafkas_own_partitioner_put_them() -> None:
    """Keys go where Kafka's own partitioner put them."""
    assert tuple(partition_of(key, 13) for key in KEYS) == OF_13


@pytest.mark.broker
def test_a_producer_with_kafkas_default_rule_agrees(bootstrap_servers, make_topics) -> None:
    """A producer with Kafka's default rule agrees on a real broker, for every key of the table."""
    (topic,) = make_topics("keys", partitions=13)
    found: dict[bytes, int] = {}
    producer = Producer({"bootstrap.servers": bootstrap_servers, "partitioner": "murmur2_random"})
    for key in KEYS:
        producer.produce(
            topic, key=key, value=b"v", on_delivery=lambda _, m: found.__setitem__(m.key() or b"", m.partition())
        )
    assert producer.flush(20) == 0
    assert found == dict(zip(KEYS, OF_13, strict=True))


def test_contracts_of_one_root_share_key_and_partition() -> None:
    """Contracts of one root share key and partition; symbols that are not known are their own key."""
    codes = np.array([STRINGS.code(s) for s in ("GCZ13:CMX", "ODD:XX", "GCG14:CMX", "EURUSD:FX")], np.int64)
    partition, key = Partitioner(4).of(codes)
    assert [STRINGS.text(int(k)) for k in key] == ["GC:CMX", "ODD:XX", "GC:CMX", "EURUSD:FX"]
    assert partition.tolist() == [partition_of(k.encode(), 4) for k in ("GC:CMX", "ODD:XX", "GC:CMX", "EURUSD:FX")]


def test_many_symbols_fit() -> None:
    """More symbols than the tables begin with fit."""
    codes = np.array([STRINGS.code(f"MANY{i}:US") for i in range(3000)], np.int64)
    partition, key = Partitioner(7).of(codes)
    assert (key == codes).all()
    assert set(partition.tolist()) == set(range(7))
