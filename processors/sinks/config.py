"""Knobs of the sinks, with their reasons."""

from dataclasses import dataclass

from processors.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SinkConfig:
    """How much a sink takes at once and how long it tries.

    Parameters
    ----------
    batch_records_max
        Records taken at once, since ClickHouse wants few large blocks: 50 thousand bars are one; as many gold rows of
        1.3 kB are 65 MB, and are stored in slices.
    clickhouse_wait_ms
        Longest wait for a batch to fill: two blocks a second a table keep merging cheap.
    redis_records_max, redis_wait_ms
        The same for Redis, which readers of the latest row wait for: small and soon.
    redis_rows_max
        Rows of a kind kept for each symbol and timeframe: 512 one-minute bars are a trading day and a half of as-of
        look-ups; older ones are in ClickHouse. In Redis a gold row of the founding pack takes 1.4 kB, one of the
        cross-section 0.3 kB, so that a symbol with five timeframes takes 4.5 MB: 120 symbols are 512 MiB.
    lake_wait_ms
        Longest time that records wait for a commit to the lake: each makes a file a day and timeframe, so that five
        minutes are 288 small files a day before compaction.
    lake_bytes_max
        Bytes of records that wait, as they were in the topics: 32 MiB are 450 thousand ticks or 24 thousand gold
        rows, whose columns are 150 MB while they are written.
    slice_bytes
        Bytes of records decoded at once, by ClickHouse as by the lake: 16 MiB of gold records are 12,800 rows,
        80 MB as columns and 250 MB at the peak.
    tries_max
        Tries of one write or one connection before the sink gives up.
    backoff_first_ms, backoff_max_ms
        Wait after the first failure, doubled after each one up to the bound.
    refused_max
        Undecodable records of one run that go to the dead letters before the sink stops instead: more than a few
        mean a wrong schema, not bad records.
    queued_kilobytes_max
        Fetched but not yet taken, of one consumer.
    """

    batch_records_max: int = 50_000
    clickhouse_wait_ms: int = 500
    redis_records_max: int = 5_000
    redis_wait_ms: int = 50
    redis_rows_max: int = 512
    lake_wait_ms: int = 300_000
    lake_bytes_max: int = 32 << 20
    slice_bytes: int = 16 << 20
    tries_max: int = 8
    backoff_first_ms: int = 250
    backoff_max_ms: int = 15_000
    refused_max: int = 1_000
    queued_kilobytes_max: int = 32_768

    def __post_init__(self) -> None:
        """Check that every number is positive and a batch is one ClickHouse block."""
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise ConfigError("SinkConfig", name, getattr(self, name), "at least 1")
        if self.batch_records_max > 1 << 20:
            raise ConfigError("SinkConfig", "batch_records_max", self.batch_records_max, f"at most {1 << 20}")
