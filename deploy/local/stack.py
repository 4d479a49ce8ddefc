"""Kafka, Redis and the schema registry as one: `with Stack() as stack: stack.endpoints.bootstrap_servers`.

Called by `mps up`, `mps demo` and the end-to-end tests.
"""

import contextlib
import http.client
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from deploy.local import ports, registry_server
from deploy.local.endpoints import Endpoints, from_environment, load_endpoints, save_endpoints
from deploy.local.kafka import EmbeddedKafka
from deploy.local.kafka_prepare import is_prepared, prepare_kafka
from deploy.local.paths import CHECKOUT, Home, home
from deploy.local.process import Child
from deploy.local.redis import EmbeddedRedis
from deploy.local.run_file import read_running
from deploy.local.supervisor import PARTS, Supervisor, stop_in_order
from processors.errors import ConfigError, PlatformError

REGISTRY_TIMEOUT_S = 20.0
POLL_S = 0.03
PARTS_BY_FIELD = {"bootstrap_servers": "kafka", "redis_url": "redis", "registry_url": "registry"}
"""Address -> the part that answers there."""

Progress = Callable[[str], None]
"""Told what is being done now, in a few words, for a progress bar."""


class Stack:
    """The embedded parts of one home.

    A part whose address is in the environment (`MPS_BOOTSTRAP_SERVERS`, `MPS_REDIS_URL`, `MPS_REGISTRY_URL`)
    is not started. Parts that `mps up` has left running are used, and left running.
    `MPS_KAFKA_PORT`, `MPS_REDIS_PORT` and `MPS_REGISTRY_PORT` fix a port; without them a free one is found.

    Use it from the main thread: on Linux a part is stopped when the thread that started it ends.

    Parameters
    ----------
    where
        Data folder; that of the checkout if None.
    stays
        The parts outlive this process, until `stop_everything`.
    progress
        Told each step.
    """

    def __init__(self, where: Home | None = None, *, stays: bool = False, progress: Progress | None = None) -> None:
        self.home = where or home()
        self.supervisor = Supervisor(self.home, stays=stays)
        self.left_overs: list[str] = []
        """Names of the processes that a crash had left and that `up` has stopped."""
        self.reused = False
        """Whether `up` found running parts and started none."""
        self._tell = progress or (lambda _: None)
        self._endpoints: Endpoints | None = None

    @property
    def endpoints(self) -> Endpoints:
        """Return the addresses of the running parts.

        Raises
        ------
        PlatformError
            The stack is not up.
        """
        if self._endpoints is None:
            raise PlatformError("the stack is not up: it has no addresses")
        return self._endpoints

    def up(self) -> Endpoints:
        """Start what is not running, wait until it answers, and return the addresses.

        Raises
        ------
        ConfigError
            Another run is at work here, a port is in use, there is no Java or no disk space.
        PlatformError
            A part died or did not answer; the message has its last log lines.
        """
        self._tell("looking for left-overs")
        self.left_overs = self.supervisor.claim()
        given = from_environment()
        wanted = {part for field, part in PARTS_BY_FIELD.items() if field not in given}
        running = [process for process in read_running(self.home) if process.name in PARTS_BY_FIELD.values()]
        self.reused = bool(running) and wanted <= {process.name for process in running}
        if not self.reused:
            # Half a stack: a start that was broken off, or one that was asked for other parts.
            stop_in_order(running)
            try:
                self._start(wanted)
            except BaseException:
                self.supervisor.stop_all(even_if_staying=True)
                raise
        self._endpoints = load_endpoints(self.home)
        return self._endpoints

    def down(self) -> None:
        """Stop what this stack and its supervisor started: stages first, then the parts."""
        self.supervisor.stop_all()
        if not self.reused and not self.supervisor.stays:
            self.home.endpoints_file.unlink(missing_ok=True)
        self._endpoints = None

    def __enter__(self) -> Self:
        """Start the parts."""
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what this stack started."""
        self.down()

    def _start(self, wanted: set[str]) -> None:
        dies_with_us = not self.supervisor.stays
        found = Endpoints("", "", "", clickhouse_path=str(self.home.clickhouse))
        registry_port = 0
        if "registry" in wanted:
            # Not waited for until the end: it comes up while Kafka does.
            registry_port = self._launch_registry()
            found = replace(found, registry_url=f"http://{ports.LOOPBACK}:{registry_port}")
        if "redis" in wanted:
            self._tell("starting Redis")
            redis = EmbeddedRedis(
                self.home.redis,
                self.home.logs,
                port=_port("MPS_REDIS_PORT"),
                dies_with_us=dies_with_us,
                adopt=self._adopt,
            )
            redis.start()
            found = replace(found, redis_url=redis.url)
        if "kafka" in wanted:
            if not is_prepared():
                self._tell("fetching Apache Kafka (once, about a minute)")
                prepare_kafka()
            self._tell("starting Kafka")
            kafka = EmbeddedKafka(
                self.home.kafka,
                self.home.logs,
                port=_port("MPS_KAFKA_PORT"),
                dies_with_us=dies_with_us,
                adopt=self._adopt,
            )
            kafka.start()
            found = replace(found, bootstrap_servers=kafka.bootstrap_servers)
        if registry_port:
            self._tell("starting the schema registry")
            self._wait_for_registry(registry_port)
        save_endpoints(self.home, found)

    def _launch_registry(self) -> int:
        required = _port("MPS_REGISTRY_PORT")
        with ports.listen("registry", preferred=registry_server.PORT, required=required) as listening:
            port = int(listening.getsockname()[1])
            self.supervisor.start(
                "registry",
                [sys.executable, "-m", "deploy.local.registry_server", "--fd", str(listening.fileno())],
                environment={
                    "PYTHONPATH": os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")]).rstrip(":")
                },
                layer=PARTS,
                port=port,
                keep_fds=[listening.fileno()],
            )
        return port

    def _wait_for_registry(self, port: int) -> None:
        deadline_s = time.monotonic() + REGISTRY_TIMEOUT_S
        # The socket takes connections before the server reads them: only an answer tells that it is up.
        while not _answers(port):
            self.supervisor.check()
            if time.monotonic() > deadline_s:
                raise PlatformError(
                    f"the schema registry did not answer at port {port}; see its log in {self.home.logs}"
                )
            time.sleep(POLL_S)

    def _adopt(self, child: Child, port: int) -> None:
        self.supervisor.adopt(child, port=port)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(ports.LOOPBACK, port, timeout=0.5)
    try:
        connection.request("GET", "/subjects")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _port(variable: str) -> int | None:
    """Return the port that an environment variable fixes."""
    value = os.environ.get(variable)
    if not value:
        return None
    with contextlib.suppress(ValueError):
        if 0 < int(value) < 1 << 16:
            return int(value)
    raise ConfigError("environment", variable, value, "a port number from 1 to 65535, or unset for a free one")
