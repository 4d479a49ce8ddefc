"""The plain path's own work, without a broker."""

import gc
from typing import cast

import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processors.errors import BackpressureError, QueueFullError, RetryableError
from processors.runtime import plain
from processors.runtime.batch import EncodedBatch, pack


class FullProducer:
    """A producer whose queue holds two records until it is polled, as many times as it is told."""

    def __init__(self, polls_that_help: int) -> None:
        self.taken: list[tuple[str, bytes, bytes, int]] = []
        self._queue, self._polls = 0, polls_that_help

    def produce(self, topic: str, value: bytes, key: bytes, partition: int) -> None:
        """Take the record where there is room."""
        if self._queue == 2:
            raise BufferError("Local: Queue full")
        self._queue += 1
        self.taken.append((topic, value, key, partition))

    def poll(self, timeout_s: float) -> None:
        """Make room."""
        if timeout_s > 0 and self._polls > 0:
            self._polls -= 1
            self._queue = 0


def _batch(n: int) -> EncodedBatch:
    values, keys = [b"value %d" % i for i in range(n)], [b"key %d" % (i % 3) for i in range(n)]
    return EncodedBatch("t", 3, *pack(values), *pack(keys))


def test_a_full_queue_is_waited_for_and_the_order_stays() -> None:
    """A full queue is waited for, and the order stays."""
    producer = FullProducer(100)
    plain.PlainSink(cast(Producer, producer)).produce("topic", _batch(7))
    assert producer.taken == [("topic", b"value %d" % i, b"key %d" % (i % 3), 3) for i in range(7)]


def test_a_queue_that_stays_full_is_given_up() -> None:
    """A queue that stays full is given up, as back-pressure and as something that may pass."""
    with pytest.raises(QueueFullError, match="stayed full") as caught:
        plain.PlainSink(cast(Producer, FullProducer(0)), 0.01).produce("topic", _batch(7))
    assert isinstance(caught.value, BackpressureError)
    assert isinstance(caught.value, RetryableError)


class Received:
    """What a consumer gives in place of a record: an error, or none."""

    def __init__(self, code: int | None) -> None:
        self._code = code

    def error(self) -> KafkaError | None:
        """Return the error."""
        return None if self._code is None else KafkaError(self._code)


@pytest.mark.parametrize("code", sorted(plain.PASSING))
def test_an_error_that_passes_is_no_record(code: int) -> None:
    """An error that passes is no record, and what is no error is one."""
    assert plain._failed(cast(Message, Received(code)))
    assert not plain._failed(cast(Message, Received(None)))


def test_an_error_that_does_not_pass_is_raised() -> None:
    """An error that does not pass is raised."""
    with pytest.raises(KafkaException):
        plain._failed(cast(Message, Received(KafkaError.TOPIC_AUTHORIZATION_FAILED)))


def test_the_collector_is_left_as_it_was() -> None:
    """The collector is left as it was: on where it was on, off where it was off, after a failure too."""
    for on in (True, False):
        (gc.enable if on else gc.disable)()
        with plain._no_collection():
            assert not gc.isenabled()
        assert gc.isenabled() == on
        with pytest.raises(KafkaException), plain._no_collection():
            raise KafkaException(KafkaError(1))
        assert gc.isenabled() == on
    gc.enable()


def test_null_values_are_empty() -> None:
    """Null values and keys are empty bytes."""
    assert plain._bytes(iter([b"a", None, b""])) == [b"a", b"", b""]
    assert np.array_equal(pack(plain._bytes(iter([None])))[1], [0, 0])
