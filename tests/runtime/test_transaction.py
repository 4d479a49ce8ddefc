"""Commits that are settled late, never, or with a failure, by a producer that does what librdkafka can do."""

import threading
import time
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from processors.runtime.transaction import Transactions, UnknownOutcomeError


class Scripted:
    """Stands for a producer whose calls wait or fail: a broker cannot be made to do it at a chosen time."""

    def __init__(self, failure: KafkaError | None = None) -> None:
        self.failure = failure
        self.go = threading.Event()
        self.calls: list[str] = []

    def begin_transaction(self) -> None:
        """Answer at once."""
        self.calls.append("begin")

    def send_offsets_to_transaction(self, *_: Any) -> None:
        """Wait until told to go on, without regard to any time-out."""
        self.go.wait()
        self.calls.append("offsets")

    def commit_transaction(self, _timeout_s: float) -> None:
        """Fail as scripted."""
        self.calls.append("commit")
        if self.failure is not None:
            raise KafkaException(self.failure)

    def abort_transaction(self, _timeout_s: float) -> None:
        """Answer at once."""
        self.calls.append("abort")


def begun(producer: Scripted, answer_s_max: float = 5.0) -> Transactions:
    """Return the transactions of a producer with one commit under way."""
    transactions = Transactions(producer, answer_s_max)  # type: ignore[arg-type]
    transactions.begin()
    transactions.commit([], None)
    return transactions


def test_work_goes_on_while_a_commit_waits() -> None:
    """A commit under way holds nobody up until it is settled, and then it is done once."""
    producer = Scripted()
    transactions = begun(producer)
    assert transactions.settle(wait=False) is None
    assert (transactions.pending, transactions.open, producer.calls) == (True, False, ["begin"])
    producer.go.set()
    assert transactions.settle() is not None
    assert (transactions.active, producer.calls) == (False, ["begin", "offsets", "commit"])
    assert transactions.settle() is None


def test_a_call_that_never_returns_is_left_behind() -> None:
    """After the limit the outcome is unknown; that is said again without another wait, and forgetting frees the way."""
    producer = Scripted()
    transactions = begun(producer, 0.2)
    with pytest.raises(UnknownOutcomeError, match="without an answer for 0 s"):
        transactions.settle()
    began = time.monotonic()
    with pytest.raises(UnknownOutcomeError):
        transactions.settle()
    assert time.monotonic() - began < 0.1
    transactions.forget()
    assert not transactions.active
    transactions.abort(1.0)
    assert "abort" not in producer.calls
    producer.go.set()


def test_a_call_that_never_returns_is_noticed_by_who_does_not_wait() -> None:
    """Where nothing more comes in, nobody waits for the commit of the last records."""
    producer = Scripted()
    transactions = begun(producer, 0.2)
    assert transactions.settle(wait=False) is None
    time.sleep(0.25)
    with pytest.raises(UnknownOutcomeError):
        transactions.settle(wait=False)
    producer.go.set()


@pytest.mark.parametrize(
    ("code", "unknown"),
    [(KafkaError._TIMED_OUT, True), (KafkaError._TRANSPORT, True), (KafkaError.UNKNOWN_TOPIC_OR_PART, False)],
)
def test_a_failed_commit_is_aborted_and_an_unknown_one_is_not(code: int, unknown: bool) -> None:
    """A commit that failed leaves a transaction to abort; after one whose outcome is unknown nothing may be asked."""
    producer = Scripted(KafkaError(code))
    producer.go.set()
    transactions = begun(producer)
    with pytest.raises(UnknownOutcomeError if unknown else KafkaException):
        transactions.settle()
    transactions.abort(1.0)
    assert ("abort" in producer.calls) is not unknown
