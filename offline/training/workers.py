"""Where fits run: in this process, or on the workers of a Dask cluster. What comes of them is the same to the byte.

Tuning, folds and the last fit hand their work to ``Workers.map``, the recipes of a command to ``side_by_side``.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from offline.training.threads import hold_one_thread

T = TypeVar("T")
Progress = Callable[[str, float], None]

ADDRESS_VARIABLE = "MPS_CLUSTER"


def keep_nothing(_item: int, _result: Any) -> None:
    """Write nothing down."""


class Workers(Protocol):
    """Who does the fits."""

    remote: bool
    """Whether it is another process, which has neither our folders nor our time."""

    def share(self, value: Any) -> Any:
        """Return a handle of something that many fits read, such as the rows: it is sent once, not once a fit."""
        ...

    def map(
        self, function: Callable[..., T], items: Sequence[Any], progress: Progress, *, shared: Sequence[Any],
        what: str, done: int = 0, keep: Callable[[int, T], None] = keep_nothing,
    ) -> list[T]:  # fmt: skip
        """Return what a function gives for each item, in their order.

        Parameters
        ----------
        function
            Called with what the handles stand for, the item, and whom to tell its progress. A function of a module,
            and a pure one: where its process dies it is called again.
        progress
            Told of the whole.
        what, done
            What one item is, in a word, and how many of its kind were done before.
        keep
            Called with an item's position and result as soon as it is there, in no order.

        Raises
        ------
        PlatformError
            The cluster is away, or has no workers.
        """
        ...

    def side_by_side(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        """Return what some calls give, in their order. Each may map; while it waits for that, others go on.

        Between waits one runs at a time, and so does what makes the calls. Where one fails no further one is begun, and
        the first error in their order is raised once the others have ended.
        """
        ...


class InProcess:
    """Everything here, one after another."""

    remote = False

    def share(self, value: Any) -> Any:
        """Return the value."""
        return value

    def map(
        self, function: Callable[..., T], items: Sequence[Any], progress: Progress, *, shared: Sequence[Any],
        what: str, done: int = 0, keep: Callable[[int, T], None] = keep_nothing,
    ) -> list[T]:  # fmt: skip
        """See ``Workers.map``."""
        results = []
        n = done + len(items)
        for i, item in enumerate(items):

            def tell(step: str, share: float, at: int = done + i) -> None:
                progress(f"{what} {at + 1} of {n}: {step}", (at + share) / n)

            hold_one_thread()
            results.append(function(*shared, item, tell))
            keep(i, results[-1])
        return results

    def side_by_side(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        """See ``Workers.side_by_side``: here each call ends before the next one is made."""
        return [call() for call in calls]


HERE = InProcess()


@contextmanager
def workers_at(address: str | None = None) -> Iterator[Workers]:
    """Give the workers of the cluster at an address; this process where neither it nor ``MPS_CLUSTER`` names one.

    Parameters
    ----------
    address
        Of a Dask scheduler, such as ``tcp://10.0.0.5:8786``.

    Raises
    ------
    ConfigError
        Nobody listens there, it has no workers, or what they have installed is not what is here.
    """
    address = address or os.environ.get(ADDRESS_VARIABLE)
    if not address:
        yield HERE
        return
    from offline.training.cluster import connected

    with connected(address) as cluster:
        yield cluster
