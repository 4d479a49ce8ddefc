"""Errors named by their fate: what the runtime does when a stage, a codec or a part raises one.

    PlatformError
      +-- RetryableError       back off, same batch again, no commit
      +-- InvalidEventError    commit, dead letter with topic, partition, offset and reason
      +-- BackpressureError    the runtime pauses the partition
      +-- ConfigError          at start, with file, key, value and what is allowed

A broken invariant is an ``assert`` and is never caught.
"""


class PlatformError(Exception):
    """Base of every error the platform raises on purpose."""


class RetryableError(PlatformError):
    """A passing fault (a broker away, a time-out): back off and take the same batch again."""


class InvalidEventError(PlatformError):
    """One event is wrong and will stay wrong: it goes to the dead letter, the rest goes on."""


class BackpressureError(PlatformError):
    """Downstream is full: the partition is paused until it drains."""


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
