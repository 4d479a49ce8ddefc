"""How one process drives its stages over Kafka: its knobs, and what they make of librdkafka's."""

from dataclasses import dataclass
from typing import Any

from processors.errors import ConfigError
from processors.runtime.client_log import CLIENT_LOG


@dataclass(frozen=True, slots=True)
class KafkaConfig:
    """How one process drives its stages.

    Parameters
    ----------
    bootstrap_servers
        Brokers.
    group
        Consumer group, and the base of the changelog's and the transactional id's name.
    instance
        Name of this process inside the group, stable over restarts: a restart fences what is left of its past.
    prefix
        Put before every topic and group, so that several platforms can share a cluster.
    path
        ``auto``, ``native`` or ``plain``.
    commit_interval_ms
        Longest time between commits under load: consumers wait as long, a restart repeats as much.
    commit_idle_ms
        Time before a commit when little comes: latency at low rates.
    light_rows_max
        Fewer records than this at a time are little: a twentieth of a full batch.
    batch_rows_max
        Most records taken from one partition at once.
    transaction_timeout_ms
        After it the broker aborts the transaction of a process that vanished; others wait so long for its partitions.
    group_protocol
        ``classic`` or ``consumer`` (KIP-848).
    retries_max
        Failed attempts, less than a minute apart, before the process gives up.
    dead_letter_share_max, dead_letter_window_rows
        See ``deadletter``.
    accept_loss
        Go on, with an error in the log, where records were deleted before they were read.
    open_timeout_s
        Longest wait for the brokers at the beginning of an attempt.
    once
        End when the group has committed everything that was in its topics at the start.
    silence_s_max
        After so long without a record the brokers are asked whether they are there: the client would wait for ever.
    """

    bootstrap_servers: str
    group: str
    instance: str = "0"
    prefix: str = ""
    path: str = "auto"
    commit_interval_ms: int = 100
    commit_idle_ms: int = 15
    light_rows_max: int = 1_000
    batch_rows_max: int = 20_000
    transaction_timeout_ms: int = 15_000
    group_protocol: str = "classic"
    retries_max: int = 8
    open_timeout_s: float = 15.0
    silence_s_max: float = 10.0
    dead_letter_share_max: float = 0.5
    dead_letter_window_rows: int = 20_000
    accept_loss: bool = False
    once: bool = False

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        if self.path not in ("auto", "native", "plain"):
            raise ConfigError("Kafka driver", "path", self.path, "auto, native or plain")
        if self.group_protocol not in ("classic", "consumer"):
            raise ConfigError("Kafka driver", "group_protocol", self.group_protocol, "classic or consumer")
        for name in (
            "commit_interval_ms", "batch_rows_max", "transaction_timeout_ms", "open_timeout_s", "silence_s_max",
        ):  # fmt: skip
            if getattr(self, name) <= 0:
                raise ConfigError("Kafka driver", name, getattr(self, name), "a positive number")

    @property
    def changelog(self) -> str:
        """Topic that keeps the group's state."""
        return f"{self.prefix}{self.group}.changelog"


def consumer_settings(config: KafkaConfig) -> dict[str, Any]:
    """Return the consumer's librdkafka settings."""
    settings: dict[str, Any] = {
        "bootstrap.servers": config.bootstrap_servers,
        "group.id": config.prefix + config.group,
        "group.protocol": config.group_protocol,
        # Every position is given by us. What is out of range is loss, and must be heard of.
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        # Bounded: about two batches of every partition wait in memory, never the whole backlog.
        "queued.min.messages": 2 * config.batch_rows_max,
        "queued.max.messages.kbytes": 65_536,
        "fetch.max.bytes": 16_777_216,
        "max.partition.fetch.bytes": 4_194_304,
        "fetch.wait.max.ms": 20,
        # A partition whose queue was full is asked again so soon; librdkafka's own second would starve the stage.
        "fetch.queue.backoff.ms": 5,
        "topic.metadata.refresh.interval.ms": 30_000,
        "logger": CLIENT_LOG,
    }
    if config.group_protocol == "classic":
        # Short, so that the partitions of a killed process are taken over soon.
        settings |= {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 500}
    # By ranges: a partition number of every topic goes to the same process, as the stages with side topics need it.
    settings["partition.assignment.strategy" if config.group_protocol == "classic" else "group.remote.assignor"] = (
        "range"
    )
    return settings


def producer_settings(config: KafkaConfig) -> dict[str, Any]:
    """Return the transactional producer's librdkafka settings."""
    return {
        "bootstrap.servers": config.bootstrap_servers,
        "transactional.id": f"{config.prefix}{config.group}-{config.instance}",
        "transaction.timeout.ms": config.transaction_timeout_ms,
        "compression.type": "lz4",
        "linger.ms": 2,
        "batch.num.messages": 10_000,
        "batch.size": 1_000_000,
        "queue.buffering.max.messages": 500_000,
        "queue.buffering.max.kbytes": 262_144,
        "logger": CLIENT_LOG,
    }
