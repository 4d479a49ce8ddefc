"""The schema registry as data: which record travels on which topic, under which locked id.

``ids.json`` locks the id of every released schema version. The last entry of a subject is the current one and its
file is ``avro/<Record>.avsc``; earlier ones live in ``avro/released/``. Read by the codecs, by the registry calls of
``deploy.local.registry`` and by the compatibility test.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class SchemaEntry:
    """One released version of one subject."""

    id: int
    subject: str
    version: int
    schema_json: str

    @property
    def schema(self) -> dict[str, Any]:
        """The schema as parsed JSON."""
        parsed: dict[str, Any] = json.loads(self.schema_json)
        return parsed


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as its data file in ``schemas/topics/`` describes it. ``retention_days`` counts from publication.

    ``partitions`` is 0 where the topic has as many as the platform: its records stay in the partition of what they
    were made of. Another number is the topic's own: what every partition of a stage writes is gathered in it.
    """

    name: str
    meaning: str
    record: str
    cleanup: str
    retention_days: int
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    partitions: int = 0

    def partitions_of(self, platform: int) -> int:
        """Return the number of partitions of the topic on a platform whose topics have so many."""
        return self.partitions or platform


@dataclass(frozen=True, slots=True)
class Registry:
    """All released schemas and all topics."""

    ids: dict[int, SchemaEntry]
    topics: dict[str, Topic]

    def versions(self, subject: str) -> list[SchemaEntry]:
        """Return the released versions of a subject, oldest first; empty for an unknown subject."""
        return sorted((e for e in self.ids.values() if e.subject == subject), key=lambda e: e.version)

    def current(self, topic: str) -> SchemaEntry:
        """Return the schema that new records of a topic are written with.

        Raises
        ------
        KeyError
            The topic has no released schema: a programming error, found by the tests.
        """
        entries = self.versions(f"{topic}-value")
        if not entries:
            raise KeyError(topic)
        return entries[-1]


def _read_topic(path: Path) -> Topic:
    raw = yaml.safe_load(path.read_text())
    return Topic(
        name=raw["topic"],
        meaning=raw["meaning"],
        record=raw["record"],
        cleanup=raw["cleanup"],
        retention_days=raw["retention_days"],
        producers=tuple(raw["producers"]),
        consumers=tuple(raw["consumers"]),
        partitions=raw.get("partitions", 0),
    )


@cache
def load_registry() -> Registry:
    """Return every released schema and topic, read from the data files beside this module."""
    locked = json.loads((ROOT / "ids.json").read_text())
    ids = {}
    for subject, versions in locked.items():
        for version in versions:
            text = (ROOT / "avro" / version["file"]).read_text()
            entry = SchemaEntry(version["id"], subject, version["version"], json.dumps(json.loads(text)))
            ids[entry.id] = entry
    topics = {t.name: t for t in map(_read_topic, sorted((ROOT / "topics").glob("*.yaml")))}
    return Registry(ids, topics)
