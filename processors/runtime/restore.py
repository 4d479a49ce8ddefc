"""Where a partition is taken up: its committed position, checked against the log, and the state as of that position."""

import logging
import time
from collections.abc import Iterable, Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from processors.errors import ConfigError, PlatformError
from processors.runtime.changelog import read_changelog
from processors.runtime.config import KafkaConfig
from processors.runtime.pipeline import PartitionState, Pipeline
from processors.runtime.state import COUNTS, unpack_key

log = logging.getLogger(__name__)

ANSWER_S_MAX = 30.0
"""Longest wait for all positions: the group's lock waits for an unfinished transaction, which ends well before."""


class LostRecordsError(PlatformError):
    """Records were deleted from the source before they were read: retention was shorter than the delay."""


def committed_positions(
    consumer: Consumer, places: Iterable[TopicPartition], *, accept_loss: bool
) -> list[TopicPartition]:
    """Return the committed position of each topic's partition, ``OFFSET_BEGINNING`` where nothing was committed yet.

    Raises
    ------
    LostRecordsError
        Records are gone, and ``accept_loss`` is off.
    KafkaException
        The brokers gave no answer.
    """
    deadline = time.monotonic() + ANSWER_S_MAX
    placed: list[TopicPartition] = consumer.committed(
        [TopicPartition(p.topic, p.partition) for p in places], timeout=ANSWER_S_MAX
    )
    for p in placed:
        if p.error is not None:
            raise KafkaException(p.error)
        left_s = max(0.1, deadline - time.monotonic())
        low, high = consumer.get_watermark_offsets(TopicPartition(p.topic, p.partition), timeout=left_s)
        if p.offset >= 0:
            _check_loss(p, low, high, accept_loss=accept_loss)
        else:
            p.offset = OFFSET_BEGINNING
    return placed


def _check_loss(at: TopicPartition, low: int, high: int, *, accept_loss: bool) -> None:
    """Compare a committed position with what the log still holds; move it to the log's beginning if that is wanted."""
    if low <= at.offset <= high:
        return
    what = f"{at.topic} partition {at.partition}: committed offset {at.offset}, but the log holds {low} to {high}"
    if not accept_loss:
        raise LostRecordsError(f"{what}: records are lost; go on without them with --accept-loss")
    log.error("%s: going on from %d", what, low)
    at.offset = low


def restored_state(pipeline: Pipeline, config: KafkaConfig, at: Sequence[TopicPartition]) -> PartitionState:
    """Return the state of one partition as of its committed positions, one for each topic.

    Raises
    ------
    ConfigError
        The changelog is not that of the committed offsets, or they are gone, or it is of another layout, other rules or
        other settings.
    RetryableError
        An unfinished transaction holds the end of the changelog.
    """
    began = time.monotonic()
    state = pipeline.open()
    partition, offset = at[0].partition, max(p.offset for p in at)
    entries = read_changelog(config.bootstrap_servers, config.changelog, partition)
    if offset > 0 and not entries:
        # Every commit writes the counts at least, so the changelog was deleted or is another one.
        raise ConfigError(
            config.changelog, f"partition {partition}", "empty",
            f"group {config.group} has committed offset {offset}, so its state is lost: begin anew under "
            "another --prefix, or delete the group too to read everything again",
        )  # fmt: skip
    # Counts are of a stage that has worked: a state that was made of history has none, and is begun with.
    if offset < 0 and any(unpack_key(key)[1] == COUNTS.name.encode() for key in entries):
        raise ConfigError(
            f"group {config.prefix}{config.group}", f"committed offsets of partition {partition}", "none",
            f"those of {config.changelog}, which has the state of records that were read: Kafka forgets the offsets of "
            "a group that was stopped for longer than offsets.retention.minutes. Read again, they would count twice: "
            "begin anew under another --prefix, or delete the changelog too to read everything again",
        )  # fmt: skip
    state.restore(entries)
    log.info("partition %d: %d rows restored in %.2f s", partition, len(entries), time.monotonic() - began)
    return state
