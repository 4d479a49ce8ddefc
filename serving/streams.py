"""New signals for one client: a thread reads ``signals.v1``, a bounded queue hands them to the event loop.

History (``from_beginning``) is read as fast as the client takes it. Live signals wait for a short while only: a client
whose queue stays full is dropped, since a late signal is worse than a clear error.
"""

import asyncio
import contextlib
import functools
import io
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import fastavro
import grpc

from processors.errors import ConfigError, PlatformError, RetryableError
from processors.runtime.codec import HEADER_BYTES
from schemas.registry import load_registry
from schemas.timeframes import TIMEFRAMES
from serving.generated import score_pb2 as pb
from serving.messages import signal_message
from serving.requests import Failure
from serving.tailer import TopicTail

LOG = logging.getLogger(__name__)

SIGNALS = "signals.v1"
POLL_S = 0.1
BATCH = 500

Item = pb.Signal | Failure | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which signals a client wants; empty sets stand for all."""

    symbol_ids: frozenset[str]
    tfs: frozenset[str]
    from_beginning: bool

    def has(self, record: dict[str, Any]) -> bool:
        """Return whether a signal is wanted."""
        return (not self.symbol_ids or record["symbol_id"] in self.symbol_ids) and (
            not self.tfs or record["tf"] in self.tfs
        )


def wanted(request: pb.StreamSignalsRequest) -> Wanted | Failure:
    """Return what the request asks, or INVALID_ARGUMENT with what is allowed."""
    unknown = [tf for tf in request.tfs if tf not in TIMEFRAMES]
    if unknown:
        message = f"tfs has {unknown[0][:20]!r}: one of {', '.join(TIMEFRAMES)}"
        return Failure(grpc.StatusCode.INVALID_ARGUMENT, message)
    if "" in request.symbol_ids:
        return Failure(grpc.StatusCode.INVALID_ARGUMENT, "symbol_ids has an empty name: leave it out for all symbols")
    return Wanted(frozenset(request.symbol_ids), frozenset(request.tfs), request.from_beginning)


class UnreadableError(PlatformError):
    """A record of the topic is none of the released schemas."""


class SignalReader:
    """Reads signals of any released version of the schema."""

    def __init__(self) -> None:
        registry = load_registry()
        self._writers = {e.id: fastavro.parse_schema(e.schema) for e in registry.versions(f"{SIGNALS}-value")}
        self._reader = fastavro.parse_schema(registry.current(SIGNALS).schema)

    def read(self, value: bytes) -> dict[str, Any]:
        """Return a record in the current schema.

        Raises
        ------
        UnreadableError
            The bytes are of no released schema, or end before the record does.
        """
        schema_id = int.from_bytes(value[1:HEADER_BYTES], "big") if value[:1] == b"\0" else None
        writer = None if schema_id is None else self._writers.get(schema_id)
        if writer is None:
            raise UnreadableError(f"its schema id is {schema_id}: not one of {', '.join(map(str, self._writers))}")
        try:
            return fastavro.schemaless_reader(io.BytesIO(value[HEADER_BYTES:]), writer, self._reader)  # type: ignore[return-value]
        except Exception as e:
            # Random bytes raise anything: EOFError, IndexError, UnicodeDecodeError, ...
            raise UnreadableError(f"{type(e).__name__}: {e}") from e


class SignalStream:
    """Signals for one client. ``ended`` is done when no more can come, and says why; ``left`` once it holds no thread.

    Parameters
    ----------
    queue_max
        Signals that may wait for the client.
    behind_max_s
        How long a client may be behind: from the time its queue is full until it is half empty.
    """

    def __init__(
        self, bootstrap_servers: str, topic: str, wanted: Wanted, *, queue_max: int, behind_max_s: float
    ) -> None:
        self._where, self._wanted = (bootstrap_servers, topic), wanted
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Item] = asyncio.Queue()
        self._queue_max, self._behind_max_s = queue_max, behind_max_s
        self._behind_since_s: float | None = None
        # Each is written by one thread only; their difference is what waits.
        self._n_put = self._n_taken = 0
        self._taken = threading.Event()
        self._stopped = threading.Event()
        self.ended: asyncio.Future[Failure] = self._loop.create_future()
        self.left: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._read, name="signals", daemon=True)
        self._thread.start()

    async def next(self) -> Item:
        """Return None once nothing that comes can be missed, then each signal; a failure after the last one."""
        item = await self._queue.get()
        self._n_taken += 1
        self._taken.set()
        return item

    def end(self, failure: Failure) -> None:
        """End the stream for a reason; for the loop's thread."""
        if not self.ended.done():
            self.ended.set_result(failure)

    def close(self) -> None:
        """Stop reading."""
        self._stopped.set()
        self._taken.set()

    def _read(self) -> None:
        bootstrap_servers, topic = self._where
        try:
            with TopicTail(bootstrap_servers, topic, from_beginning=self._wanted.from_beginning) as tail:
                self._put(None)
                failure = self._follow(tail)
        except ConfigError as e:
            failure = Failure(grpc.StatusCode.FAILED_PRECONDITION, str(e))
        except RetryableError as e:
            failure = Failure(grpc.StatusCode.UNAVAILABLE, str(e))
        except Exception as e:
            # Whatever it is: a thread that dies without a word leaves its client waiting for ever.
            LOG.exception("the stream of %s broke", topic)
            failure = Failure(grpc.StatusCode.INTERNAL, f"{topic}: {type(e).__name__}: {e}")
        if failure is not None:
            self._post(functools.partial(self.end, failure))
        self._post(functools.partial(self.left.set_result, None))

    def _follow(self, tail: TopicTail) -> Failure | None:
        """Hand on signals until the stream is closed; return why it ends at once: the client is too slow."""
        reader = SignalReader()
        while not self._stopped.is_set():
            was_live = tail.is_live
            for message in tail.poll(BATCH, POLL_S):
                try:
                    record = reader.read(message.value() or b"")
                except UnreadableError as e:
                    # Not left out: a client that follows every signal must know that it has not got one.
                    at = f"{tail.topic} partition {message.partition()} offset {message.offset()}"
                    text = f"{at} cannot be read: {e}; signals after it: connect again, not from the beginning"
                    # In line, behind the signals before it.
                    self._put(Failure(grpc.StatusCode.DATA_LOSS, text))
                    return None
                if not self._wanted.has(record):
                    continue
                if not self._wait_for_room(is_live=was_live):
                    text = f"the client reads too slowly: {self._queue_max} signals wait; connect again"
                    return Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
                self._put(signal_message(record))
        return None

    def _wait_for_room(self, *, is_live: bool) -> bool:
        """Return once there is room; False where the client is behind for too long."""
        if self._n_waiting() <= self._queue_max // 2:
            self._behind_since_s = None
        while self._n_waiting() >= self._queue_max and not self._stopped.is_set():
            if is_live:
                now_s = time.monotonic()
                self._behind_since_s = self._behind_since_s or now_s
                if now_s - self._behind_since_s > self._behind_max_s:
                    return False
            self._taken.clear()
            self._taken.wait(POLL_S)
        return True

    def _n_waiting(self) -> int:
        return self._n_put - self._n_taken

    def _put(self, item: Item) -> None:
        self._n_put += 1
        self._post(lambda: self._queue.put_nowait(item))

    def _post(self, call: Callable[[], None]) -> None:
        # The loop may end before the thread has seen that it should.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)
