"""How large a dead letter may be, and how many: past the limit a stage stops rather than discard a day.

The limit is kept as state of the partition, like everything that counts: a process that is started again, by hand or by
an orchestrator, finds the window as it was and stops at the same record.
"""

from dataclasses import dataclass

import numpy as np

from processors.errors import ConfigError, PlatformError
from processors.runtime.state import TableSpec

WINDOW = TableSpec("dead_letter_window", np.array((0, 0), [("rows", "<i8"), ("dead", "<i8")]), 0)
"""Recent records and the dead letters among them."""

KEY_BYTES_MAX, VALUE_BYTES_MAX = 10_000, 900_000
"""How much of a record a dead letter holds. A letter is larger than its record, with the key twice and the reason, and
a producer takes a million bytes at most, which the brokers' own limit is above."""


def cut_to_fit(key: bytes, value: bytes) -> tuple[bytes, bytes, str]:
    """Return what a dead letter holds of a record's key and value, and what it says of a cut, if there is one."""
    cuts = [
        f"; cut to the first {longest:,} of {len(whole):,} bytes of its {name}"
        for name, whole, longest in (("key", key, KEY_BYTES_MAX), ("value", value, VALUE_BYTES_MAX))
        if len(whole) > longest
    ]
    return key[:KEY_BYTES_MAX], value[:VALUE_BYTES_MAX], "".join(cuts)


class DeadLetterLimitError(PlatformError):
    """Too many events go to the dead letter: the input or this program is wrong, so nothing more is consumed."""


@dataclass(frozen=True, slots=True)
class DeadLetterLimit:
    """How many dead letters are too many.

    Parameters
    ----------
    share_max
        Largest share of dead letters, 0 to 1; 1 for no limit. Half: FXCM publishes 10 % crossed quotes on a normal day.
    window_rows
        Records of one partition that a share is taken over. Long enough that a burst of bad quotes in a fast market
        does not stop the stage.
    """

    share_max: float = 0.5
    window_rows: int = 20_000

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        if not 0 <= self.share_max <= 1:
            raise ConfigError("dead letters", "share_max", self.share_max, "from 0 to 1")
        if self.window_rows < 1:
            raise ConfigError("dead letters", "window_rows", self.window_rows, "a positive number")

    def add(self, window: np.ndarray, rows: int, dead: int, newest: str) -> None:
        """Count one batch into a partition's window, shape (1,), updated.

        Raises
        ------
        DeadLetterLimitError
            The share over a full window is past the limit; ``newest`` is the newest reason, for the message.
        """
        window["rows"] += rows
        window["dead"] += dead
        seen, bad = int(window["rows"][0]), int(window["dead"][0])
        if seen < self.window_rows:
            return
        if bad > self.share_max * seen:
            raise DeadLetterLimitError(
                f"{bad} of the last {seen} records of the partition are dead letters (limit {self.share_max:.0%}); "
                f"the newest: {newest}. Mend the input, or let it pass with --dead-letter-share 1"
            )
        # Halving keeps a memory of about two windows without a ring.
        window["rows"] //= 2
        window["dead"] //= 2
