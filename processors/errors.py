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

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


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


class GatheredConfigError(ConfigError):
    """Several of one file at once: one line each, the first one's fields.

    Parameters
    ----------
    errors
        Two or more.
    """

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        first = errors[0]
        super().__init__(first.where, first.key, first.value, first.remedy)
        self.errors = tuple(errors)
        self.args = ("\n".join(map(str, errors)),)


class Gathered:
    """Gathers what is wrong with the parts of a file, so that it is told at once and not one by one."""

    def __init__(self) -> None:
        self._errors: list[ConfigError] = []

    def of(self, read: Callable[..., T], *args: Any) -> T | None:
        """Return what is read; None where it is wrong."""
        try:
            return read(*args)
        except ConfigError as e:
            self.add(e)
        return None

    def add(self, error: ConfigError) -> None:
        """Keep an error for later."""
        self._errors += error.errors if isinstance(error, GatheredConfigError) else (error,)

    def tell(self) -> None:
        """Raise what was gathered, if anything was."""
        if self._errors:
            raise self._errors[0] if len(self._errors) == 1 else GatheredConfigError(self._errors)
