"""Fits on the workers of a Dask cluster.

::

    client (here)                              scheduler            workers
    rows, scattered once to every worker  -------------------->     held in memory
    one small task a fit                  ----->  who is free? -->  the fit, BLAS held to one thread
    result written down as it comes       <-----------------------  the same bytes wherever it ran

A worker that dies has its fits done again by Dask. Rows that nobody holds any more are sent again from here.
"""

import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_threads
from contextlib import contextmanager
from typing import Any, TypeVar

from offline.models.estimator import no_progress
from offline.training.environment import CODE, PACKAGES, environment, refuse_other
from offline.training.threads import hold_one_thread
from offline.training.workers import Progress, keep_nothing
from processors.errors import ConfigError, PlatformError

try:
    from distributed import Client, Future
    from distributed.comm.core import CommClosedError
    from distributed.scheduler import KilledWorker
    from distributed.versions import VersionMismatchWarning
except ImportError as e:
    raise ConfigError("--cluster", "package", "distributed is missing", "pip install 'mps[jobs]'") from e

T = TypeVar("T")

CONNECT_S = 10.0
PATIENCE_S = 60.0
"""How long a cluster may have no workers: a nanny has one that died back in seconds."""
POLL_S, HEALTH_S = 0.02, 2.0
SENT_AGAIN_MAX = 5
"""Times that what is shared may be lost by all who hold it."""
SIDE_BY_SIDE_MAX = 8
"""Recipes at once: the rows of each are in memory, here and on every worker."""
DASK = ("dask", "distributed", "msgpack", "cloudpickle", "tornado", "toolz")
"""What talks over the wire: of the scheduler too."""


class _Shared:
    """A value here, and its copies on the workers."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.future: Future | None = None


class Cluster:
    """The workers of one scheduler; made by ``connected``.

    Parameters
    ----------
    address
        Of the scheduler, for the errors.
    patience_s
        How long it may have no workers.
    """

    remote = True

    def __init__(self, client: Client, address: str, patience_s: float) -> None:
        self._client, self._address, self._patience_s = client, address, patience_s
        # Of several recipes one works here at a time: what is measured is measured alone.
        self._turn = threading.Lock()
        self._mine = threading.local()
        self._stopped = threading.Event()

    def share(self, value: Any) -> Any:
        """Return a handle; the value is sent with the first fit that reads it, once."""
        return _Shared(value)

    def map(
        self, function: Callable[..., T], items: Sequence[Any], progress: Progress, *, shared: Sequence[Any],
        what: str, done: int = 0, keep: Callable[[int, T], None] = keep_nothing,
    ) -> list[T]:  # fmt: skip
        """See ``Workers.map``."""
        n, sent_again = done + len(items), 0
        results: dict[int, T] = {}
        failed: dict[int, Exception] = {}
        waiting = self._submit(function, dict(enumerate(items)), shared) if items else {}
        health = _Health(self._client, self._address, self._patience_s)
        progress(f"{what}s on the cluster: {done} of {n} done", done / max(n, 1))
        try:
            while waiting:
                lost = {}
                for future in [f for f in waiting if f.status not in {"pending", "lost"}]:
                    i = waiting[future]
                    try:
                        if future.status == "cancelled":
                            lost[i] = items[i]
                        elif not self._take(future, i, results, what):
                            continue
                        else:
                            keep(i, results[i])
                            at = done + len(results)
                            progress(f"{what}s on the cluster: {at} of {n} done", at / n)
                    except Exception as e:  # noqa: BLE001 - raised below
                        failed[i] = e
                    del waiting[future]
                if failed:
                    # What comes before may fail too, and would have failed first in one process.
                    lost = {i: item for i, item in lost.items() if i < min(failed)}
                    late = [future for future, i in waiting.items() if i > min(failed)]
                    self._client.cancel(late)
                    for future in late:
                        del waiting[future]
                if lost:
                    sent_again += 1
                    self._refuse_lost(sent_again)
                    waiting |= self._submit(function, lost, shared, anew=True)
                self._pause(health)
        finally:
            if waiting:
                self._client.cancel(list(waiting))
        if failed:
            raise failed[min(failed)]
        return [results[i] for i in range(len(items))]

    def side_by_side(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        """See ``Workers.side_by_side``."""
        room = threading.BoundedSemaphore(SIDE_BY_SIDE_MAX)
        running: list[Any] = []
        with ThreadPoolExecutor(SIDE_BY_SIDE_MAX, "recipe") as pool:
            try:
                for call in self._made_in_turn(calls):
                    room.acquire()
                    if any(f.done() and f.exception() for f in running):
                        break
                    running.append(pool.submit(self._in_turn, call))
                    running[-1].add_done_callback(lambda _f: room.release())
                wait_for_threads(running)
            except BaseException:
                self._stopped.set()
                raise
        return [f.result() for f in running]

    def _made_in_turn(self, calls: Iterable[Callable[[], T]]) -> Iterator[Callable[[], T]]:
        making = iter(calls)
        while True:
            with self._turn:
                call = next(making, None)
            if call is None:
                return
            yield call

    def _in_turn(self, call: Callable[[], T]) -> T:
        with self._turn:
            self._mine.turn = True
            return call()

    def _pause(self, health: "_Health") -> None:
        """Let others have their turn for a moment, and look after the cluster."""
        has_turn = getattr(self._mine, "turn", False)
        if has_turn:
            self._turn.release()
        try:
            time.sleep(POLL_S)
            health.check()
        finally:
            if has_turn:
                self._turn.acquire()
        if self._stopped.is_set():
            raise PlatformError(f"{self._address}: stopped; what is done is kept")

    def _submit(
        self, function: Callable[..., T], items: dict[int, Any], shared: Sequence[_Shared], *, anew: bool = False
    ) -> dict[Future, int]:
        """Return the future of each item -> its position; send what is shared where it was not, or all of it anew."""
        for one in shared:
            if one.future is None or (anew and one.future.status != "finished"):
                (one.future,) = self._client.scatter([one.value], broadcast=True, hash=False)
        at_hand = [one.future for one in shared]
        # Not pure: Dask would take two equal calls for one, and ours are told apart by where they stand.
        return {
            self._client.submit(_on_worker, environment(), function, item, *at_hand, pure=False): i
            for i, item in items.items()
        }

    def _take(self, future: Future, i: int, results: dict[int, T], what: str) -> bool:
        """Take a result over; False where it was lost in between, with its worker or the scheduler.

        Dask then computes it again, or the future's status says that we must send it again.
        """
        try:
            results[i] = future.result(timeout=HEALTH_S)
        except (TimeoutError, CancelledError, CommClosedError):
            return False
        except KilledWorker as e:
            raise PlatformError(
                f"{self._address}: {what} {i + 1} killed {e.allowed_failures + 1} workers one after another: "
                "give them more memory (`dask worker --memory-limit`), or fewer threads each"
            ) from None
        return True

    def _refuse_lost(self, times: int) -> None:
        """Wait for the scheduler, if it is away; raise where it stays so, or where rows are lost again and again."""
        deadline = time.monotonic() + CONNECT_S
        while self._client.status == "connecting" and time.monotonic() < deadline:
            time.sleep(POLL_S)
        if self._client.status != "running":
            raise PlatformError(
                f"{self._address}: the scheduler went away: start it again, and then this command: what is done is kept"
            )
        if times > SENT_AGAIN_MAX:
            raise PlatformError(
                f"{self._address}: all workers that held the rows were lost {times} times: see their logs; "
                "what is done is kept"
            )


class _Health:
    """Whether there is anybody left to wait for."""

    def __init__(self, client: Client, address: str, patience_s: float) -> None:
        self._client, self._address, self._patience_s = client, address, patience_s
        self._seen = self._asked = time.monotonic()

    def check(self) -> None:
        """Raise PlatformError where the cluster has had no workers for too long."""
        now = time.monotonic()
        if now < self._asked + HEALTH_S or self._client.status != "running":
            return
        self._asked = now
        try:
            there = bool(self._client.nthreads())
        except (OSError, TimeoutError):
            # The connection broke this moment: the futures will say so.
            return
        if there:
            self._seen = now
        elif now > self._seen + self._patience_s:
            raise PlatformError(
                f"{self._address}: no workers for {self._patience_s:.0f} s: start some (`dask worker {self._address}`) "
                "and then this command again: what is done is kept"
            )


def _on_worker(wanted: dict[str, str], function: Callable[..., T], item: Any, *shared: Any) -> T:
    """Do one fit; refused where this worker, which may have come later than the others, has other versions."""
    refuse_other("a worker of the cluster", environment(), wanted)
    hold_one_thread()
    return function(*shared, item, no_progress)


@contextmanager
def connected(address: str, patience_s: float = PATIENCE_S) -> Iterator[Cluster]:
    """Give the cluster at an address.

    Raises
    ------
    ConfigError
        No scheduler answers there, it has no workers, or versions differ.
    """
    try:
        with warnings.catch_warnings():
            # Of versions that differ: told below, by name and as an error.
            warnings.simplefilter("ignore", VersionMismatchWarning)
            client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as e:
        raise ConfigError(
            "--cluster", "address", address,
            f"that of a Dask scheduler, tcp://HOST:PORT; nobody answered there ({_first_line(e)}): `dask scheduler`",
        ) from None  # fmt: skip
    with client:
        _await_workers(client, address, patience_s)
        _check_versions(client, address)
        _check_code(client, address)
        yield Cluster(client, address, patience_s)


def _await_workers(client: Client, address: str, patience_s: float) -> None:
    try:
        client.wait_for_workers(1, timeout=patience_s)
    except TimeoutError:
        raise ConfigError("--cluster", "workers", 0, f"one or more: `dask worker {address}`") from None


def _check_versions(client: Client, address: str) -> None:
    """Refuse another version of a package that computes, and of Dask's own, by name.

    Dask's ``check=True`` only warns, and knows of no package of ours.
    """
    found: Any = client.get_versions(packages=list(PACKAGES))
    ours = _told(found["client"])
    of_scheduler = {name: v for name, v in _told(found["scheduler"]).items() if name in DASK}
    refuse_other(f"scheduler {address}", of_scheduler, ours)
    for worker, theirs in sorted(found["workers"].items()):
        refuse_other(f"worker {worker}", _told(theirs), ours)


def _check_code(client: Client, address: str) -> None:
    """Refuse a scheduler or worker of another checkout: the scheduler reads our calls too, before it hands them on."""
    try:
        code = {f"scheduler {address}": client.run_on_scheduler(environment)[CODE]}
        code |= {f"worker {worker}": found[CODE] for worker, found in client.run(environment).items()}
    except Exception as e:  # whatever the import of another version of us raises there
        remedy = f"that of this checkout: start scheduler and workers at {address} with it"
        raise ConfigError("--cluster", "code", _first_line(e), remedy) from e
    for place, digest in code.items():
        refuse_other(place, {CODE: digest}, environment())


def _told(versions: Any) -> dict[str, str]:
    kept = (*DASK, *PACKAGES, "python")
    return {name: str(v or "absent") for name, v in versions["packages"].items() if name in kept}


def _first_line(e: BaseException) -> str:
    return (str(e).splitlines() or [type(e).__name__])[0]
