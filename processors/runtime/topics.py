"""The topics as Kafka has them: made from the data files in ``schemas/topics/``, listed with what they hold.

Creating is idempotent: a topic that is there is left as it is, but a wrong number of partitions is refused, since a
record stays in its partition from stage to stage, or is gathered where the data file says ``partitions: 1``.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined]

from processors.errors import ConfigError, RetryableError
from processors.topology import PARTITIONS_VARIABLE, configured_partitions, platform_partitions
from schemas.registry import Topic, load_registry

CONNECT_TIMEOUT_S = 8.0
"""Longest look for a broker: one that is away is named while the user still watches."""
TIMEOUT_S = 20.0
"""A broker that has just started answers within a few seconds."""

DAY_MS = 86_400_000
NO_LEADER_YET = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
    }
)

CHANGELOG_CONFIG = {
    "cleanup.policy": "compact",
    # The active segment is never compacted: small ones keep a restore short.
    "segment.bytes": str(32 << 20),
    "min.cleanable.dirty.ratio": "0.2",
    "message.timestamp.type": "LogAppendTime",
}


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic of the data files as the broker has it.

    Parameters
    ----------
    partitions
        0 where the topic does not exist.
    first_offsets, end_offsets
        By partition. ``end_offsets`` is the end of what is committed.
    """

    name: str
    meaning: str
    record: str
    partitions: int
    first_offsets: tuple[int, ...]
    end_offsets: tuple[int, ...]

    @property
    def offsets(self) -> int:
        """Offsets in use: the records and, in a topic written by transactions, one marker for each commit."""
        return sum(self.end_offsets) - sum(self.first_offsets)


def create_topics(
    bootstrap_servers: str, prefix: str = "", names: Iterable[str] | None = None, partitions: int | None = None
) -> list[str]:
    """Create the topics that are missing and return their full names, prefix included.

    Parameters
    ----------
    prefix
        Stands before every name, so that tests and tenants share a broker.
    names
        Topics of ``schemas/topics/``; all of them where None.
    partitions
        Of each topic whose data file names no number of its own; None for that of the platform, ``partitions_at``.

    Raises
    ------
    ConfigError
        A name has no data file, or the topic exists with another number of partitions.
    RetryableError
        The broker does not answer.
    """
    known = load_registry().topics
    wanted = list(known) if names is None else list(names)
    for name in wanted:
        if name not in known:
            raise ConfigError("schemas/topics", "topic", name, f"one of {', '.join(known)}")
    partitions = partitions or partitions_at(bootstrap_servers, prefix)
    configs = {prefix + n: topic_config(known[n]) for n in wanted}
    counts = {prefix + n: known[n].partitions_of(partitions) for n in wanted}
    return [t for t, _ in _created(bootstrap_servers, configs, counts)]


def create_changelog(bootstrap_servers: str, name: str, partitions: int | None = None) -> bool:
    """Create a changelog topic (compacted: the last value of each key is kept for ever); return whether it is new.

    Parameters
    ----------
    partitions
        As many as the topics have that its group reads (``partitions_at``); None for ``platform_partitions``.

    Raises
    ------
    ConfigError
        It exists with another number of partitions.
    RetryableError
        The broker does not answer.
    """
    return _created(bootstrap_servers, {name: CHANGELOG_CONFIG}, {name: partitions or platform_partitions()})[0][1]


def partitions_at(bootstrap_servers: str, prefix: str = "") -> int:
    """Return how many partitions the platform under a prefix has.

    That is ``MPS_PARTITIONS`` where it is set, else what its topics have, so that whoever made them with another number
    has to say it only once, else 4.

    Raises
    ------
    ConfigError
        ``MPS_PARTITIONS`` is no number in range.
    RetryableError
        The broker does not answer.
    """
    if (configured := configured_partitions()) is not None:
        return configured
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    counts = partition_counts(admin, bootstrap_servers)
    # From the first topic on: where two differ, whoever needs both refuses the odd one by name.
    own = (counts.get(prefix + name, 0) for name, topic in load_registry().topics.items() if not topic.partitions)
    return next(filter(None, own), platform_partitions())


def topic_config(topic: Topic) -> dict[str, str]:
    """Return the broker's settings of a topic."""
    config = {
        "cleanup.policy": topic.cleanup,
        # Retention counts from publication. A replay publishes ticks of years ago, which must not be deleted at once.
        "message.timestamp.type": "LogAppendTime",
    }
    if "delete" in topic.cleanup:
        config["retention.ms"] = str(topic.retention_days * DAY_MS)
    return config


def describe_topics(bootstrap_servers: str, prefix: str = "") -> list[TopicState]:
    """Return every topic of the data files with its partitions and offsets; absent ones have 0 partitions.

    Raises
    ------
    RetryableError
        The broker does not answer.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    counts = partition_counts(admin, bootstrap_servers)
    topics = load_registry().topics
    places = [
        TopicPartition(prefix + name, p)
        for name in topics
        for p in range(counts.get(prefix + name, 0))
    ]  # fmt: skip
    first = _offsets(admin, places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
    end = _offsets(admin, places, OffsetSpec.latest())  # type: ignore[no-untyped-call]
    out = []
    for name, topic in topics.items():
        full = prefix + name
        at = [(full, p) for p in range(counts.get(full, 0))]
        out.append(
            TopicState(
                full, topic.meaning, topic.record, len(at), tuple(first[a] for a in at), tuple(end[a] for a in at)
            )
        )
    return out


def partition_counts(admin: AdminClient | Consumer, bootstrap_servers: str) -> dict[str, int]:
    """Return every topic of the broker with its number of partitions.

    Raises
    ------
    RetryableError
        The broker does not answer.
    """
    try:
        metadata = admin.list_topics(timeout=CONNECT_TIMEOUT_S)
    except KafkaException as e:
        raise RetryableError(
            f"Kafka at {bootstrap_servers} does not answer ({e.args[0].str()}): start it with `mps up`, "
            "or set MPS_BOOTSTRAP_SERVERS"
        ) from e
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def check_partitions(bootstrap_servers: str, counts: dict[str, int], topics: Sequence[str]) -> int:
    """Return the number of partitions that topics which are read together have.

    Raises
    ------
    ConfigError
        They have not all the same, or one is missing.
    """
    first = counts.get(topics[0], 0)
    for topic in topics:
        if counts.get(topic, 0) != first or not first:
            raise ConfigError(
                f"Kafka at {bootstrap_servers}", f"partitions of {topic}", counts.get(topic, 0),
                f"as many as {topics[0]} has ({first}): a stage reads both and keeps one state a partition",
            )  # fmt: skip
    return first


def _created(
    bootstrap_servers: str, configs: dict[str, dict[str, str]], partitions: dict[str, int]
) -> list[tuple[str, bool]]:
    """Create topics by name, configuration and partitions; return each name with whether it is new."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    counts = partition_counts(admin, bootstrap_servers)
    missing = [name for name in configs if name not in counts]
    if missing:
        new = [NewTopic(name, partitions[name], config=configs[name]) for name in missing]
        for name, future in admin.create_topics(new, request_timeout=TIMEOUT_S).items():
            try:
                future.result(timeout=TIMEOUT_S + 5)
            except KafkaException as e:
                # Another process of the same job was first.
                if e.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise RetryableError(f"topic {name} was not created: {e.args[0].str()}") from e
        counts = _visible_counts(admin, bootstrap_servers, missing)
    for name in configs:
        if counts[name] != partitions[name]:
            raise ConfigError(
                f"Kafka at {bootstrap_servers}", f"partitions of {name}", counts[name],
                f"must be {partitions[name]}, as its data file and the platform say: set {PARTITIONS_VARIABLE} to what "
                "the topics have, use another prefix, or delete it",
            )  # fmt: skip
    return [(name, name in missing) for name in configs]


def _visible_counts(admin: AdminClient, bootstrap_servers: str, names: list[str]) -> dict[str, int]:
    """Return the partitions of all topics once the brokers, not the controller alone, know the new ones."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        counts = partition_counts(admin, bootstrap_servers)
        hidden = [name for name in names if not counts.get(name)]
        if not hidden:
            return counts
        if time.monotonic() > deadline:
            raise RetryableError(f"topics {', '.join(hidden)} were created but do not appear at {bootstrap_servers}")
        time.sleep(0.02)


def _offsets(admin: AdminClient, places: list[TopicPartition], spec: OffsetSpec) -> dict[tuple[str, int], int]:
    """Return the offset of each partition; those of a topic that is just made have a leader a moment later."""
    deadline = time.monotonic() + TIMEOUT_S
    found: dict[tuple[str, int], int] = {}
    left = places
    while left:
        futures = admin.list_offsets(
            dict.fromkeys(left, spec), isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=TIMEOUT_S
        )
        left = []
        for at, future in futures.items():
            try:
                found[at.topic, at.partition] = future.result(timeout=TIMEOUT_S + 5).offset
            except KafkaException as e:
                if e.args[0].code() not in NO_LEADER_YET or time.monotonic() > deadline:
                    raise RetryableError(f"offsets are not known: {e.args[0].str()}") from e
                left.append(at)
        if left:
            time.sleep(0.05)
    return found
