"""Errors named by their fate: what the runtime does when a stage, a codec or a part raises one.

    PlatformError
      +-- RetryableError       back off, same batch again, no commit
      +-- BackpressureError    the runtime goes back to the last commit and pauses the partition
      |     +-- QueueFullError and all partitions, where the producer's queue is what is full
      +-- CapacityError        the process ends: a bounded table is full
      +-- ConfigError          at start, with file, key, value and what is allowed

    Rejected (runtime.stage)   no exception: commit, dead letter with topic, partition, offset and reason

One wrong row must not cost the others of its batch: a stage names each with a ``Rejected`` in its output, and the
pipeline turns those into dead letters. A broken invariant is an ``assert`` and is never caught.
"""

from typing import Any


class PlatformError(Exception):
    """Base of every error the platform raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes the same error in another process: an exception's own way calls ``__init__`` by message."""
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[PlatformError], args: tuple[object, ...], state: dict[str, object]) -> PlatformError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class RetryableError(PlatformError):
    """A passing fault (a broker away, a time-out): back off and take the same batch again."""


class BackpressureError(PlatformError):
    """Downstream is full: the partition is paused until it drains."""


class QueueFullError(BackpressureError, RetryableError):
    """The producer's queue takes nothing any more; outside the runtime's loop, a passing fault like another."""


class CapacityError(PlatformError):
    """A bounded table of this process is full and cannot drain: the process ends, since a new one starts empty."""


class ConfigError(PlatformError):
    """The configuration cannot work; raised at start.

    Parameters
    ----------
    where
        File, flag or environment variable.
    key
        The setting inside it.
    value
        What was found.
    remedy
        What is allowed, or what to do.
    """

    def __init__(self, where: str, key: str, value: object, remedy: str) -> None:
        self.where, self.key, self.value, self.remedy = where, key, value, remedy
        super().__init__(f"{where}: {key} is {value!r}: {remedy}")
