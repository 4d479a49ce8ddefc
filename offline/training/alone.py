"""A training's folder is one process's at a time: two of them would write and delete the same fits."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processors.errors import RetryableError


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the one that trains in a folder, which is made where it is missing; it is free when its holder dies.

    Raises
    ------
    RetryableError
        Another one does: its fits may take hours, so nobody waits in silence.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RetryableError(
                f"{folder}: another process trains this recipe on these rows; start again when it has ended, what it "
                "has done by then is used"
            ) from None
        yield
