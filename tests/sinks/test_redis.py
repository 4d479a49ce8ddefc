"""The Redis sink and its reader, on a real broker and a real redis-server."""

import threading

import numpy as np
import pytest
import redis

from deploy.local.redis import EmbeddedRedis
from processors.errors import ConfigError, RetryableError
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Records
from processors.sinks.follow import Follower
from processors.sinks.redis import RedisSink
from processors.sinks.redis_store import FILLING_KEY, POSITIONS_KEY, RedisStore, gold_key
from processors.sinks.run import SinkRunner

IDS = {"gold.v1": "a", "cross.v1": "d", "signals.v1": "b", "data.freshness": "c"}


def batch(topic, values, first_offset=0, partition=0):
    """Return the values as consumed from one partition."""
    n = len(values)
    offset = np.arange(first_offset, first_offset + n)
    return Records(topic, values, np.full(n, partition), offset, np.zeros(n, np.int64))


@pytest.fixture
def sink(own_redis):
    """Return a sink that keeps 5 rows a key, of topics that were empty."""
    sink = RedisSink(own_redis, SinkConfig(redis_rows_max=5))
    sink.positions(IDS)
    sink.backlog_read()
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
    assert len(first) == 9 + 9 + 9 + 3 + 2


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
    assert list(dump(own_redis)) == [FILLING_KEY.encode(), POSITIONS_KEY.encode()]


def test_positions_without_the_ids_of_their_topics_are_not_believed(sink, own_redis, random_records, wire):
    """Redis came back empty, took one more write, and the sink was killed before it saw that: all is read again."""
    with redis.Redis.from_url(own_redis) as client:
        client.flushdb()
        pipe = client.pipeline()
        sink._queue(pipe, batch("gold.v1", wire("gold.v1", random_records("gold.v1", 3)), 5_000_000))
        pipe.execute()
    assert sink.positions(IDS) == {}
    assert list(dump(own_redis)) == [FILLING_KEY.encode(), POSITIONS_KEY.encode()]


def test_a_removal_that_was_cut_short_is_done_again(sink, own_redis, random_records, wire, monkeypatch):
    """Killed in the middle of removing the rows of deleted topics, the sink neither keeps one nor goes on behind it."""
    sink.write([batch("gold.v1", wire("gold.v1", random_records("gold.v1", 9)))])

    def cut_short(*_args, **_more):
        raise redis.ConnectionError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(sink._client, "scan_iter", cut_short)
        with pytest.raises(RetryableError, match="killed"):
            sink.positions({**IDS, "gold.v1": "new"})
    assert sink.positions({**IDS, "gold.v1": "new"}) == {}
    assert list(dump(own_redis)) == [FILLING_KEY.encode(), POSITIONS_KEY.encode()]


def test_while_it_is_filled_its_readers_are_told(own_redis, store, random_records, wire):
    """Half of the rows is not taken for the whole: until the end is reached once, every read says so."""
    sink = RedisSink(own_redis, SinkConfig())
    records = [{**r, "symbol_id": "AIG:US", "tf": "1m"} for r in random_records("gold.v1", 3)]
    reads = (
        lambda: store.latest_gold("AIG:US", "1m"),
        lambda: store.gold_as_of("AIG:US", "1m", records[-1]["ts"]),
        lambda: store.gold_rows_many([("AIG:US", "1m", None)], 1),
        lambda: store.latest_signal("AIG:US", "1m"),
        lambda: store.freshness("AIG:US"),
        lambda: store.consensus_many([("AIG:US", "1m")]),
    )
    sink.positions(IDS)
    sink.write([batch("gold.v1", wire("gold.v1", records))])
    # A sink that was killed meanwhile goes on filling.
    assert sink.positions(IDS) == store.positions() == {("gold.v1", 0): 3}
    for read in reads:
        with pytest.raises(RetryableError, match="being filled"):
            read()
    sink.backlog_read()
    assert [bool(read()) for read in reads] == [True, True, True, False, False, True]
    assert sink.positions(IDS) == {("gold.v1", 0): 3}
    assert store.latest_gold("AIG:US", "1m")
    sink.close()


def test_rows_of_another_prefix_are_refused(sink, own_redis, random_records, wire):
    """One Redis holds the rows of one platform: the other one is refused by name, and nothing is removed."""
    sink.write([batch("gold.v1", wire("gold.v1", random_records("gold.v1", 3)))])
    before = dump(own_redis)
    other = RedisSink(own_redis, SinkConfig(), "test-")
    with pytest.raises(ConfigError, match=r"Redis at redis://.*prefix.*give no --prefix, or .*MPS_REDIS_URL"):
        other.positions({"test-" + topic: name for topic, name in IDS.items()})
    assert dump(own_redis) == before
    other.close()


def test_a_full_server_is_named_with_the_remedy(tmp_path, random_records, wire):
    """A full Redis says what to do, and its readers that its rows are old; with memory it takes the same rows."""
    with EmbeddedRedis(tmp_path / "redis", tmp_path / "logs") as server:
        sink = RedisSink(server.url, SinkConfig())
        sink.positions(IDS)
        sink.backlog_read()
        store = RedisStore.from_url(server.url)
        rows = [batch("gold.v1", wire("gold.v1", random_records("gold.v1", 300)))]
        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory", "1mb")
            with pytest.raises(RetryableError, match=r"maxmemory.*give it memory .*--redis-rows"):
                sink.write(rows)
            with pytest.raises(RetryableError, match="or is full"):
                store.latest_gold("AIG:US", "1m")
            client.config_set("maxmemory", "64mb")
        assert sink.positions(IDS) == {}
        sink.write(rows)
        sink.backlog_read()
        assert store.latest_gold("AIG:US", "1m")
        store.client.close()
        sink.close()


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
    assert FILLING_KEY.encode() not in dump(own_redis)
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


@pytest.mark.broker
def test_the_backlog_is_read_though_more_records_come(bootstrap_servers, sink_topics, random_records, wire, publish):
    """What was there at the beginning is read at some time, also where the end moves on for ever."""
    topic, values = sink_topics + "gold.v1", wire("gold.v1", random_records("gold.v1", 100))
    # One in each partition, so that all have a leader.
    publish(topic, values[:4])
    publish(topic, values, partition=1)
    follower = Follower(bootstrap_servers, [topic], "test")
    follower.begin({})
    publish(topic, values, partition=1)
    read = 0
    while not follower.backlog_is_read:
        read += sum(map(len, follower.poll(30, 5.0)))
    assert 104 <= read < 204
    assert not follower.at_end
    follower.close()
