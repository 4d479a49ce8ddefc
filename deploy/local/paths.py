"""Where files live: the cache that may be deleted at any time, and the data of this checkout.

Called by every embedded part and by the CLI.
Both folders lie in the checkout, so that removing the checkout removes everything.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SHIPPED_TICKS = CHECKOUT / "deploy" / "demo" / "market"
"""The recorded ticks in the repository: what is read where nobody names a file."""


@dataclass(frozen=True)
class Home:
    """The data folder of one running platform.

    Parameters
    ----------
    folder
        Absolute path. Created by the part that first writes there.
    """

    folder: Path

    @property
    def logs(self) -> Path:
        """Return the folder of `NAME.log`, one file a process."""
        return self.folder / "logs"

    @property
    def kafka(self) -> Path:
        """Return the folder of the broker: its configuration and its data."""
        return self.folder / "kafka"

    @property
    def redis(self) -> Path:
        """Return the working folder of redis-server."""
        return self.folder / "redis"

    @property
    def clickhouse(self) -> Path:
        """Return the path that chDB owns."""
        return self.folder / "clickhouse"

    @property
    def lake(self) -> Path:
        """Return the folder of the Delta tables."""
        return self.folder / "lake"

    @property
    def features(self) -> Path:
        """Return the folder of back-fills."""
        return self.folder / "features"

    @property
    def run_file(self) -> Path:
        """Return the file that names the running processes."""
        return self.folder / "run.json"

    @property
    def endpoints_file(self) -> Path:
        """Return the file that names the addresses of the running parts."""
        return self.folder / "endpoints.json"


def cache_folder() -> Path:
    """Return the folder for what can be fetched or computed again: `MPS_CACHE`, or `.cache`."""
    return Path(os.environ.get("MPS_CACHE") or CHECKOUT / ".cache").resolve()


def home() -> Home:
    """Return the data folder of this checkout: `MPS_HOME`, or `.mps`."""
    return Home(Path(os.environ.get("MPS_HOME") or CHECKOUT / ".mps").resolve())


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file: whoever else wants it waits, and it is free when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
