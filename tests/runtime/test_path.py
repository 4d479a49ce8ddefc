"""Which of the two paths a driver takes, and that it says so."""

import threading
import time

import numpy as np
import pytest
from confluent_kafka import Consumer, TopicPartition

from processors.errors import ConfigError
from processors.runtime import native
from processors.runtime.config import KafkaConfig
from processors.runtime.kafka import KafkaDriver
from processors.runtime.pipeline import Pipeline
from tests.runtime.echo import Echo


@pytest.fixture
def path_of():
    """Return a function that says which path a driver has that is asked for one."""
    native._fault.cache_clear()
    yield lambda wanted: KafkaDriver(Pipeline([Echo()]), KafkaConfig("nobody:1", "echo", path=wanted)).path
    native._fault.cache_clear()


def test_a_driver_says_the_path_that_it_takes(path_of):
    """Here the native path can be used: each name gives what it says, and auto the native one."""
    assert [path_of(wanted) for wanted in ("auto", "native", "plain")] == ["native", "native", "plain"]


@pytest.mark.parametrize("missing", ["load_library", "handle_of"])
def test_a_native_path_that_cannot_be_used_is_refused_and_auto_is_plain(path_of, monkeypatch, missing):
    """Without the library, or with clients of another layout, native is an error with the reason and auto is plain."""
    monkeypatch.setattr(native.rd, missing, lambda *_: None)
    assert path_of("auto") == "plain"
    with pytest.raises(ConfigError, match="path is 'native': auto or plain, since native cannot be used here: "):
        path_of("native")


def test_a_wait_for_records_holds_up_no_other_thread():
    """While the native path waits on a queue, the thread of a commit runs: it is not let in between waits only."""
    consumer = Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "x", "log_level": 0})
    source = native.NativePath().source(consumer, {"t": "t"}, 10)
    source.assigned([TopicPartition("t", 0)])
    source.poll(0.001)
    woken: list[float] = []
    stop = threading.Event()

    def commit() -> None:
        while not stop.is_set():
            woken.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=commit)
    thread.start()
    try:
        source.poll(2.0)
    finally:
        stop.set()
        thread.join()
        source.revoked([TopicPartition("t", 0)])
        consumer.close()
    # Held up, it would wake once, after the two seconds; a busy machine is no reason to wait for one of them.
    assert np.diff(woken).max() < 1.0
