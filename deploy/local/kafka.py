"""Apache Kafka itself, as a child process: one KRaft node on loopback.

Called by the stack, the tests and the benchmarks.
"""

import hashlib
import shutil
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Unpack

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.local import ports
from deploy.local.embedded import EmbeddedPart, PartOptions
from deploy.local.jars import class_path, kafka_folder
from deploy.local.java import Java, find_java
from deploy.local.kafka_config import BrokerFiles, log4j2_yaml, server_properties
from deploy.local.process import Child, tail
from processors.errors import ConfigError, PlatformError

PORT = 19092
# A start takes 1 to 3 s; a machine that is busy elsewhere may take ten times that.
START_TIMEOUT_S = 60.0
# A clean stop takes half a second; the one that writes the cache of classes takes 6 s.
STOP_GRACE_S = 30.0
HEAP_MB = 768
DISK_FREE_MIN_BYTES = 1 << 30
POLL_S = 0.03


class EmbeddedKafka(EmbeddedPart):
    """A broker that keeps its data between starts.

    Parameters
    ----------
    folder
        Configuration and data.
    log_folder
        Receives `kafka.log` (the broker's) and `kafka.out` (the Java machine's).
    heap_mb
        Largest Java heap, MiB.
    java_options
        Added to the options of the Java machine.
    options
        See `PartOptions`; the port is the clients', 19092 if free.
    """

    name: ClassVar[str] = "Kafka"
    preferred_port: ClassVar[int] = PORT
    stop_grace_s: ClassVar[float] = STOP_GRACE_S

    def __init__(
        self,
        folder: Path,
        log_folder: Path,
        *,
        heap_mb: int = HEAP_MB,
        java_options: Sequence[str] = (),
        **options: Unpack[PartOptions],
    ) -> None:
        super().__init__(folder, log_folder, **options)
        self._heap_mb = heap_mb
        self._java_options = java_options

    @property
    def bootstrap_servers(self) -> str:
        """Return "127.0.0.1:PORT" of the broker started last.

        Raises
        ------
        PlatformError
            It was never started.
        """
        return self.address

    def start(self) -> None:
        """Start the broker and wait until it answers; format its storage on the first start.

        After `stop` it comes back on the same port with the same data.

        Raises
        ------
        ConfigError
            Port in use, no Java, or too little disk space.
        PlatformError
            The broker died or did not answer in time; the message has its last log lines.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        require_disk_space(self.folder, DISK_FREE_MIN_BYTES)
        super().start()

    def _start_at(self, port: int) -> None:
        """Start the broker at a port, and with a controller at any port that is free."""
        self.port = port
        controller_port = ports.choose("Kafka controller", preferred=ports.ANY, other_than=port)
        files = BrokerFiles(self.folder, self.folder / "data", self.log_folder / "kafka.log")
        files.log4j.write_text(log4j2_yaml(files.log_path), encoding="utf-8")
        files.server_properties.write_text(
            server_properties(port, controller_port, files.data_folder), encoding="utf-8"
        )
        java = self._java_command()
        if not (files.data_folder / "meta.properties").exists():
            _format(java, files)
        configuration = f"-Dlog4j2.configurationFile={files.log4j}"
        command = [*java, *self._java_options, configuration, "kafka.Kafka", str(files.server_properties)]
        self._wait_until_ready(self._spawn(port, command, "kafka.out"), files)

    def kill(self) -> None:
        """Kill the broker with SIGKILL, as a power cut would; for tests of recovery."""
        if self.child is not None:
            self.child.identity.kill()
            self.child.popen.wait()
            self.child = None

    def _java_command(self) -> list[str]:
        java = find_java()
        jars = class_path()
        cache = aot_cache(java, jars)
        return [
            str(java.path),
            *([f"-XX:AOTCache={cache}"] if cache.exists() else []),
            f"-Xmx{self._heap_mb}m",
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",
            f"-XX:ErrorFile={self.log_folder}/kafka_crash_%p.log",
            "-Djava.awt.headless=true",
            # Only errors: parts of the cache that do not fit this machine are left out, and each one is a warning.
            "-Xlog:disable",
            "-Xlog:all=error:stderr",
            "-cp",
            jars,
        ]

    def _wait_until_ready(self, child: Child, files: BrokerFiles) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        admin: AdminClient | None = None
        while time.monotonic() < deadline_s:
            if child.popen.poll() is not None:
                self.child = None
                raise ports.named_failure(f"{child.obituary()}\n{tail(files.log_path)}")
            if ports.accepts(self.port or PORT):
                # Made only now: a client that begins before the broker waits in its own back-off.
                admin = admin or AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
                if _cluster_id(admin) == files.cluster_id():
                    return
            time.sleep(POLL_S)
        self.stop()
        raise PlatformError(
            f"Kafka did not answer at {self.bootstrap_servers} within {START_TIMEOUT_S:.0f} s; "
            f"last lines of its log:\n{tail(files.log_path)}"
        )


def aot_cache(java: Java, jars: str) -> Path:
    """Return the path of the cache of loaded classes; valid for this very Java and class path only."""
    key = hashlib.sha256(f"{java.path} {java.release} {jars}".encode()).hexdigest()[:12]
    return kafka_folder() / f"classes-{key}.aot"


def require_disk_space(folder: Path, free_min_bytes: int) -> None:
    """Refuse to start a part that would fill the disk.

    Raises
    ------
    ConfigError
        Less than the minimum is free where the folder lies.
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < free_min_bytes:
        raise ConfigError(
            str(folder),
            "free disk space",
            f"{free_bytes >> 20} MiB",
            f"at least {free_min_bytes >> 20} MiB are needed; free some, or set MPS_HOME to a folder on another disk",
        )


def _cluster_id(admin: AdminClient) -> str | None:
    """Return who answers; None while it is still coming up."""
    try:
        metadata = admin.list_topics(timeout=2.0)
    except KafkaException:
        return None
    return metadata.cluster_id if metadata.brokers else None


def _format(java: list[str], files: BrokerFiles) -> None:
    """Give the data folder its cluster id and the newest feature levels of this version."""
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # An id that begins with a dash would read as an option.
    cluster_id = "M" + cluster_id[1:]
    done = subprocess.run(
        [
            *java,
            "kafka.tools.StorageTool",
            "format",
            "--cluster-id",
            cluster_id,
            "--config",
            str(files.server_properties),
        ],
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise PlatformError(f"Kafka's storage in {files.data_folder} cannot be formatted:\n{done.stdout}{done.stderr}")
