"""The transactions of one producer: begun, committed in the background, then settled or given up.

A commit is some 20 ms of waiting for the brokers. It has a thread of its own, so that the next batch is read and
computed meanwhile; nothing is produced until it is settled. The thread is needed for another reason too:
``send_offsets_to_transaction`` can wait for ever, whatever time-out it is given, when the group's coordinator goes away
(librdkafka issues 5456 and 5511). Then the producer is left behind with its thread, and a new one, whose epoch bump
fences it, goes on.
"""

import threading
import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from processors.errors import RetryableError


class UnknownOutcomeError(RetryableError):
    """A commit had no answer: nobody knows whether it happened. Only a new producer settles it."""


class Transactions:
    """Begin, commit and abort for one producer, one transaction at a time.

    Parameters
    ----------
    producer
        A transactional producer after ``init_transactions``.
    answer_s_max
        Longest wait for the outcome of a commit; longer than the broker keeps a transaction open.
    """

    def __init__(self, producer: Producer, answer_s_max: float) -> None:
        self._producer, self._answer_s_max = producer, answer_s_max
        self._thread: threading.Thread | None = None
        self._failure: KafkaException | None = None
        self._asked, self._took_s = 0.0, 0.0
        self.open = False
        self.began = 0.0

    @property
    def pending(self) -> bool:
        """Whether a commit is not settled yet."""
        return self._thread is not None

    @property
    def active(self) -> bool:
        """Whether there is a transaction that is neither committed nor aborted, as far as is known."""
        return self.open or self.pending

    def age_s(self) -> float:
        """Return the seconds since the transaction was begun."""
        return time.monotonic() - self.began

    def begin(self) -> None:
        """Open a transaction; the last one must be settled."""
        assert not self.active
        self._producer.begin_transaction()
        self.open, self.began = True, time.monotonic()

    def commit(self, offsets: list[TopicPartition], group: Any) -> None:
        """Begin to commit what was produced, together with a group's offsets; ``settle`` tells how it ended."""
        assert self.open
        self.open, self._asked = False, time.monotonic()
        self._thread = threading.Thread(target=self._commit, args=(offsets, group), name="commit", daemon=True)
        self._thread.start()

    def _commit(self, offsets: list[TopicPartition], group: Any) -> None:
        began = time.monotonic()
        try:
            self._producer.send_offsets_to_transaction(offsets, group, self._answer_s_max)
            self._producer.commit_transaction(self._answer_s_max)
        except KafkaException as e:
            self._failure = e
        self._took_s = time.monotonic() - began

    def settle(self, *, wait: bool = True) -> float | None:
        """Return the seconds that the pending commit took; None where none is pending, or, without ``wait``, not done.

        A commit that never returns is told without ``wait`` too: where nothing more comes in, nobody ever waits.

        Raises
        ------
        UnknownOutcomeError
            It may or may not have happened: this producer must not be used again.
        KafkaException
            It did not happen.
        """
        if self._thread is None:
            return None
        left_s = self._asked + self._answer_s_max - time.monotonic()
        if wait and left_s > 0:
            self._thread.join(left_s)
        if self._thread.is_alive():
            if not wait and left_s > 0:
                return None
            raise UnknownOutcomeError(f"commit without an answer for {self._answer_s_max:.0f} s")
        self._thread = None
        if self._failure is None:
            return self._took_s
        failure, self._failure = self._failure, None
        error = failure.args[0]
        if error.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT) and not error.txn_requires_abort():
            raise UnknownOutcomeError(f"commit without an answer: {error}") from failure
        self.open = True
        raise failure

    def abort(self, timeout_s: float) -> None:
        """Give up the open transaction, if there is one.

        Raises
        ------
        KafkaException
            The broker did not say that it is aborted; its time-out will do it.
        """
        if self.open:
            self._producer.abort_transaction(timeout_s)
            self.open = False

    def forget(self) -> None:
        """Leave what is not settled to the broker's time-out; the producer lives until its call returns, if it does."""
        self._thread, self.open = None, False
