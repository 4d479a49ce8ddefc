"""The Redis sink and its reader, on a real broker and a real redis-server."""

import threading

import numpy as np
import pytest
import redis

from processors.errors import RetryableError
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Records
from processors.sinks.redis import RedisSink
from processors.sinks.redis_store import POSITIONS_KEY, RedisStore, gold_key
from processors.sinks.run import SinkRunner

IDS = {"gold.v1": "a", "cross.v1": "d", "signals.v1": "b", "data.freshness": "c"}


def batch(topic, values, first_offset=0, partition=0):
    """Return the values as consumed from one partition."""
    n = len(values)
    offset = np.arange(first_offset, first_offset + n)
    return Records(topic, values, np.full(n, partition), offset, np.zeros(n, np.int64))


@pytest.fixture
def sink(own_redis):
    """Return a sink that keeps 5 rows a key."""
    sink = RedisSink(own_redis, SinkConfig(redis_rows_max=5))
    sink.positions(IDS)
    yield sink
    sink.close()


@pytest.fixture
def store(own_redis):
    """Return the reader."""
    store = RedisStore.from_url(own_redis)
    yield store
    store.client.close()


def dump(url):
    """Return everything in the database."""
    with redis.Redis.from_url(url) as client:
        read = {b"string": client.get, b"hash": client.hgetall}
        read[b"zset"] = lambda key: client.zrange(key, 0, -1, withscores=True)
        return {key: read[client.type(key)](key) for key in sorted(client.keys())}


def test_the_newest_rows_are_kept_and_found_as_of_a_time(sink, store, random_records, wire):
    """An as-of look-up gives the newest row at or before the nanosecond, and none beyond the rows kept."""
    records = [{**r, "symbol_id": "EURUSD:FX", "tf": "1m"} for r in random_records("gold.v1", 9)]
    # Three rows within one millisecond: the score cannot tell them apart.
    for i in (6, 7):
        records[i]["ts"] = records[8]["ts"] // 10**6 * 10**6 + 100 * i
    records[8]["ts"] = records[7]["ts"] + 1
    values = wire("gold.v1", records)
    for i in range(0, 9, 2):
        sink.write([batch("gold.v1", values[i : i + 2], i)])
    kept = list(zip(records, values, strict=True))[-5:]
    for probe in [ts + d for r in records for ts in [r["ts"]] for d in (-1, 0, 1)]:
        expected = [v for r, v in kept if r["ts"] <= probe]
        assert store.gold_as_of("EURUSD:FX", "1m", probe) == (expected[-1] if expected else None)
    assert store.latest_gold("EURUSD:FX", "1m") == values[-1]
    assert store.latest_gold_many([("EURUSD:FX", "1d"), ("EURUSD:FX", "1m")]) == [None, values[-1]]
    assert store.client.zcard(gold_key("EURUSD:FX", "1m")) == 5


def test_a_replay_writes_the_same(sink, own_redis, random_records, wire):
    """Records that are written again, in other batches, leave every key as it was."""
    values = {topic: wire(topic, random_records(topic, 60)) for topic in IDS}
    sink.write([batch(topic, v) for topic, v in values.items()])
    first = dump(own_redis)
    for topic, v in values.items():
        for begin in range(0, 60, 7):
            sink.write([batch(topic, v[begin : begin + 7], begin)])
    assert dump(own_redis) == first
    assert len(first) == 9 + 9 + 9 + 3 + 1


def test_signals_and_freshness_are_the_last_of_the_log(sink, store, random_records, wire):
    """The newest signal of a symbol and timeframe, and the newest state of each source and timeframe, are found."""
    signals, states = random_records("signals.v1", 50), random_records("data.freshness", 50)
    encoded = wire("signals.v1", signals)
    sink.write([batch("signals.v1", encoded), batch("data.freshness", wire("data.freshness", states))])
    last = {(r["symbol_id"], r["tf"]): v for r, v in zip(signals, encoded, strict=True)}
    assert all(store.latest_signal(*key) == value for key, value in last.items())
    assert store.latest_signal("NONE", "1m") is None
    newest = {(r["source"], r["tf"]): r for r in states if r["symbol_id"] == "AIG:US"}
    found = store.freshness("AIG:US")
    assert found.keys() == newest.keys()
    for key, r in newest.items():
        state = found[key]
        assert (state.state, state.previous, state.age_ms, state.threshold_ms) == (
            r["state"], r["previous"], r["age_ms"], r["threshold_ms"],
        )  # fmt: skip
        assert (state.ts_ns, state.since_ns) == (r["ts"], r["since"])


def test_the_consensus_of_many_is_read_at_once(sink, store, random_records, wire):
    """The newest state of the consensus of each symbol and timeframe, and none where there is none."""
    [first, second] = random_records("data.freshness", 2)
    first |= {"symbol_id": "AIG:US", "source": "consensus", "tf": "1m"}
    second |= {"symbol_id": "AIG:US", "source": "NYSE", "tf": "5m"}
    sink.write([batch("data.freshness", wire("data.freshness", [first, second]))])
    asked = [("AIG:US", "5m"), ("AIG:US", "1m"), ("NONE", "1m")]
    assert store.consensus_many(asked) == [None, store.freshness("AIG:US")["consensus", "1m"], None]
    assert store.consensus_many(asked)[1].ts_ns == first["ts"]


def test_the_positions_are_those_after_the_last_record(sink, store, random_records, wire):
    """The positions name the offset after the last record of each partition, and no topic's id."""
    assert store.positions() == {}
    sink.write([batch("signals.v1", wire("signals.v1", random_records("signals.v1", 3)))])
    assert store.positions() == {("signals.v1", 0): 3}


def test_a_server_that_came_back_empty_is_noticed(sink, own_redis, random_records, wire):
    """Redis keeps nothing on disk: after a restart the sink asks to begin again rather than go on with a hole."""
    sink.write([batch("gold.v1", wire("gold.v1", random_records("gold.v1", 3)))])
    sink.idle()
    with redis.Redis.from_url(own_redis) as client:
        client.flushdb()
        with pytest.raises(RetryableError, match="came back empty"):
            sink.idle()
        sink.positions(IDS)
        client.flushdb()
        with pytest.raises(RetryableError, match="came back empty"):
            sink.write([batch("gold.v1", wire("gold.v1", random_records("gold.v1", 3)), 3)])
        assert client.keys() == []


def test_rows_of_a_topic_made_anew_are_removed(sink, own_redis, random_records, wire):
    """A copy of a topic that no longer exists is dropped, and everything is read from the beginning."""
    sink.write([batch("gold.v1", wire("gold.v1", random_records("gold.v1", 3)), 10, partition=2)])
    assert sink.positions(IDS) == {("gold.v1", 2): 13}
    assert sink.positions({**IDS, "signals.v1": "new"}) == {}
    assert list(dump(own_redis)) == [POSITIONS_KEY.encode()]


@pytest.mark.broker
def test_it_follows_the_topics_and_fills_an_emptied_server_again(
    bootstrap_servers, sink_topics, own_redis, random_records, wire, publish
):
    """The runner fills Redis from the topics, goes on where it stopped, and starts over when Redis lost its rows."""
    values = wire("gold.v1", [{**r, "symbol_id": "AIG:US", "tf": "1m"} for r in random_records("gold.v1", 20)])
    publish(sink_topics + "gold.v1", values, partition=1)

    def run():
        sink = RedisSink(own_redis, SinkConfig(), sink_topics)
        runner = SinkRunner(
            sink, bootstrap_servers, SinkConfig(), threading.Event(), records_max=100, wait_s=0.05, once=True
        )
        runner.start()
        runner.join(30)
        assert runner.error is None
        sink.close()
        return sink.counts["rows"], dump(own_redis)

    assert run()[0] == 20
    n, filled = run()
    assert n == 0
    with redis.Redis.from_url(own_redis) as client:
        client.flushdb()
    assert run() == (20, filled)


def test_the_rows_behind_a_row_are_read_with_their_places(sink, store, random_records, wire):
    """The newest rows up to a nanosecond come oldest first, each with its time and offset, or there are none."""
    records = [{**r, "symbol_id": "EURUSD:FX", "tf": "1m"} for r in random_records("gold.v1", 5)]
    for i in (2, 3, 4):
        records[i]["ts"] = records[4]["ts"] // 10**6 * 10**6 + 100 * i
    values = wire("gold.v1", records)
    sink.write([batch("gold.v1", values, 7)])
    rows = [(r["ts"], 7 + i, v) for i, (r, v) in enumerate(zip(records, values, strict=True))]
    asked = [("EURUSD:FX", "1m", None), ("EURUSD:FX", "1m", rows[3][0]), ("EURUSD:FX", "1d", None)]
    assert store.gold_rows_many(asked, 3) == [rows[-3:], rows[1:4], []]
