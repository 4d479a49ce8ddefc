"""Publishing to a real broker."""

import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from processors.errors import ConfigError, RetryableError
from processors.feeds import publish
from processors.feeds.files import open_recording
from processors.feeds.publish import Published, Publisher, ReplayOptions
from processors.feeds.replay import recorded_batches

pytestmark = pytest.mark.broker

MARKET = Path(__file__).parents[2] / "deploy" / "demo" / "market"
TRADES = MARKET / "binance_trades_3venues.parquet"

Log = dict[int, list[tuple[bytes, bytes]]]


def expected(*paths: Path) -> Log:
    """Return keys and values by partition, as the in-memory driver is fed with them."""
    out: Log = {p: [] for p in range(4)}
    for batch in recorded_batches(paths):
        out[batch.partition] += zip(batch.keys(), batch.values(), strict=True)
    return out


def any_published(bootstrap_servers: str, topic: str) -> bool:
    """Return whether Kafka has a record; more may be on their way."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "reader", "enable.auto.commit": False})
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in range(4)]
    consumer.close()
    return any(ends)


def published(bootstrap_servers: str, topic: str) -> Log:
    """Return keys and values by partition, as they are in Kafka."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "reader", "enable.auto.commit": False})
    places = [TopicPartition(topic, p, 0) for p in range(4)]
    ends = [consumer.get_watermark_offsets(place, timeout=10)[1] for place in places]
    out: Log = {p: [] for p in range(4)}
    consumer.assign(places)
    while sum(map(len, out.values())) < sum(ends):
        # A short wait: consume() waits for the full number.
        for message in consumer.consume(10_000, 0.1):
            assert message.error() is None
            out[message.partition()].append((message.key() or b"", message.value() or b""))
    consumer.close()
    assert [len(rows) for rows in out.values()] == ends
    return out


def test_kafka_gets_byte_for_byte_what_the_in_memory_driver_is_fed_with(bootstrap_servers, topic_prefix) -> None:
    """Kafka gets byte for byte what the in-memory driver is fed with, and the account is that of the topic."""
    told: list[int] = []
    publisher = Publisher(bootstrap_servers, lambda account, _: told.append(account.ticks))
    account = publisher.publish(open_recording([TRADES]), ReplayOptions(prefix=topic_prefix))
    found = published(bootstrap_servers, topic_prefix + "ticks.raw.v1")
    assert found == expected(TRADES)
    assert account.ticks == 55_270 == told[-1]
    assert account.records == sum(map(len, found.values()))
    assert account.kinds == {"trade": 55_270}
    assert account.symbols == {"BTC-USD:CRYPTO": 33_356, "ETH-USD:CRYPTO": 21_914}
    assert account.marks > 4
    assert account.skipped == 0


class CrashError(Exception):
    """Stands for a crash in mid-run."""


def test_a_replay_that_was_broken_off_goes_on_without_loss_or_repeat(bootstrap_servers, topic_prefix) -> None:
    """A replay that was broken off goes on without loss or repeat; a finished one has nothing left to do."""

    def crash(account: Published, _: int) -> None:
        if account.ticks > 20_000:
            # Let some of the queue go out: the break comes in the middle of the log.
            deadline = time.monotonic() + 20
            while not any_published(bootstrap_servers, topic) and time.monotonic() < deadline:
                time.sleep(0.05)
            raise CrashError

    topic = topic_prefix + "ticks.raw.v1"
    recording = open_recording([TRADES])
    options = ReplayOptions(prefix=topic_prefix, resume=True, batch_rows=5_000)
    with pytest.raises(CrashError):
        Publisher(bootstrap_servers, crash).publish(recording, options)
    # What the client had handed to the network when the run broke off may still arrive.
    before, later = None, published(bootstrap_servers, topic)
    while before != later:
        time.sleep(0.5)
        before, later = later, published(bootstrap_servers, topic)
    whole = expected(TRADES)
    assert 0 < sum(map(len, before.values())) < sum(map(len, whole.values()))
    account = Publisher(bootstrap_servers).publish(recording, options)
    assert account.skipped == sum(map(len, before.values()))
    assert published(bootstrap_servers, topic) == whole
    again = Publisher(bootstrap_servers).publish(recording, options)
    assert again.skipped == again.records == account.records
    assert published(bootstrap_servers, topic) == whole


def test_going_on_with_another_recording_is_refused(bootstrap_servers, topic_prefix, quotes) -> None:
    """Going on with another recording is refused, and so is one that is shorter than what the topic holds."""
    options = ReplayOptions(prefix=topic_prefix, resume=True)
    publisher = Publisher(bootstrap_servers)
    seconds = [float(s) for s in range(31)]
    publisher.publish(open_recording([quotes("a", seconds)]), options)
    before = published(bootstrap_servers, topic_prefix + "ticks.raw.v1")
    with pytest.raises(ConfigError, match="another record"):
        publisher.publish(open_recording([quotes("b", [*seconds, 30.5])]), options)
    publisher.publish(open_recording([quotes("a", seconds)]), options)
    with pytest.raises(ConfigError, match=r"ticks\.raw\.v1 \[0\]: .*'2 records too many"):
        publisher.publish(open_recording([quotes("a", seconds)]), replace(options, limit=13))
    assert published(bootstrap_servers, topic_prefix + "ticks.raw.v1") == before


def test_a_record_that_the_broker_refuses_fails_the_run(bootstrap_servers, topic_prefix, make_topics) -> None:
    """A record that the broker refuses fails the run with its reason."""
    make_topics("ticks.raw.v1", config={"max.message.bytes": "100"})
    with pytest.raises(RetryableError, match="Message size too large"):
        Publisher(bootstrap_servers).publish(open_recording([TRADES]), ReplayOptions(prefix=topic_prefix))


def test_a_topic_of_other_partitions_is_refused(bootstrap_servers, topic_prefix, make_topics, quotes) -> None:
    """A topic with another number of partitions is refused: a symbol would change its place."""
    make_topics("ticks.raw.v1", partitions=3)
    with pytest.raises(ConfigError, match="must be 4"):
        Publisher(bootstrap_servers).publish(
            open_recording([quotes("a", [0])]), ReplayOptions(prefix=topic_prefix, partitions=4)
        )


def test_a_speed_is_kept_and_a_gap_is_cut(bootstrap_servers, topic_prefix, quotes, monkeypatch) -> None:
    """Ten recorded seconds at speed 10 take a second, and a weekend between them no more than the cut."""
    monkeypatch.setattr(publish, "PAUSE_S_MAX", 0.4)
    path = quotes("a", [i / 4 for i in range(41)] + [200_000 + i / 4 for i in range(3)])
    account = Publisher(bootstrap_servers).publish(
        open_recording([path]), ReplayOptions(prefix=topic_prefix, speed=10.0)
    )
    assert account.ticks == 44
    # The end of the recording, five minutes after its last tick, is not waited for.
    assert account.gaps_cut == 1
    assert 1.3 < account.seconds < 5
    assert published(bootstrap_servers, topic_prefix + "ticks.raw.v1") == expected(path)


def test_a_broker_that_is_away_is_said_within_seconds(quotes, monkeypatch) -> None:
    """A broker that is away is said after the time that is allowed for it, with its address and the remedy."""
    assert publish.BROKER_TIMEOUT_S <= 10
    monkeypatch.setattr(publish, "BROKER_TIMEOUT_S", 1.0)
    recording = open_recording([quotes("a", [0])])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        away = f"127.0.0.1:{taken.getsockname()[1]}"
    begin = time.monotonic()
    with pytest.raises(RetryableError, match=rf"{away} does not answer .*mps up"):
        Publisher(away).publish(recording)
    assert 0.9 < time.monotonic() - begin < 4


@pytest.mark.parametrize(
    "wrong", [{"speed": 0.0}, {"speed": float("nan")}, {"limit": 0}, {"partitions": 0}, {"begin_ns": 5, "end_ns": 5}]
)
def test_wrong_options_are_refused(wrong) -> None:
    """Wrong options are refused."""
    with pytest.raises(ConfigError, match="replay: "):
        ReplayOptions(**wrong)
