"""What the stages published of each variant, decoded: consensus ticks, bars, freshness, dead letters, fates."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import fastavro

from processors.runtime.pipeline import DEAD_LETTER
from schemas.registry import load_registry

CONSENSUS, BARS, FRESHNESS = "ticks.consensus.v1", "bars.v1", "data.freshness"
TOPICS = (CONSENSUS, BARS, FRESHNESS, DEAD_LETTER)
STAGES = ("reconcile", "bars")

Record = dict[str, Any]
Places = dict[tuple[str, int], list[bytes]]
"""Records by topic and partition, in the order of the log."""
Fates = dict[str, dict[str, int]]
"""Stage -> fate -> number of records."""


@cache
def _schema(topic: str) -> Any:
    return fastavro.parse_schema(load_registry().current(topic).schema)


def decoded(topic: str, values: Iterable[bytes]) -> list[Record]:
    """Return records as dictionaries; times as nanoseconds."""
    schema = _schema(topic)
    # Five bytes of the wire header.
    return [fastavro.schemaless_reader(io.BytesIO(v[5:]), schema, None) for v in values]  # type: ignore[misc]


@dataclass(slots=True)
class Outputs:
    """Of one variant.

    Parameters
    ----------
    ticks, bars, freshness, dead
        Records in the order of their logs.
    fates
        As the state has them.
    """

    ticks: list[Record]
    bars: list[Record]
    freshness: list[Record]
    dead: list[Record]
    fates: Fates = field(default_factory=dict)

    def minutes(self) -> dict[int, Record]:
        """Return the newest revision of each minute bar by its start, nanoseconds."""
        return {r["ts_start"]: r for r in self.bars if r["tf"] == "1m"}

    def between(self, begin_ns: int, end_ns: int, source: str) -> list[Record]:
        """Return the consensus ticks of a source with event times in [begin, end)."""
        return [r for r in self.ticks if r["source"] == source and begin_ns <= r["ts_event"] < end_ns]


def outputs_of(places: Places, partition: int, fates: Fates) -> Outputs:
    """Return the decoded outputs of a partition."""
    ticks, bars, freshness, dead = (decoded(topic, places.get((topic, partition), [])) for topic in TOPICS)
    return Outputs(ticks, bars, freshness, dead, fates)
