"""What a flow's input is, in words of JSON: files by their digest, topics by their id and ends, tables by version."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deploy.local.endpoints import find_broker
from deploy.local.paths import SHIPPED_TICKS, home
from offline.lake.store import VARIABLE, LakeStore
from offline.lake.table import OpenTable
from offline.lake.tables import lake_tables
from processors.configuration import VARIABLE as KNOBS
from processors.errors import ConfigError
from schemas.instruments import instruments_file
from schemas.vendors import vendors_file


def tick_files(files: Iterable[str]) -> list[Path]:
    """Return recorded ticks by name, the shipped ones where none is named; all are there."""
    from processors.feeds.files import present

    return present(tuple(map(Path, files)) or (SHIPPED_TICKS,))


def digest_of(paths: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file, and of every file in a folder.

    Raises
    ------
    ConfigError
        One is missing.
    """
    found = {}
    for path in paths:
        inner = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in inner:
            try:
                with file.open("rb") as content:
                    found[str(file)] = hashlib.file_digest(content, "sha256").hexdigest()
            except OSError as e:
                raise ConfigError(str(file), "file", e.strerror, "a file that can be read") from None
    return found


def files_in_force() -> dict[str, str]:
    """Return the digests of what decides rows and labels beside the recordings: facts, instruments, vendors, knobs.

    Raises
    ------
    ConfigError
        One is missing.
    """
    from offline.datasets.shares import known_files

    knobs = os.environ.get(KNOBS)
    return digest_of([*known_files(), instruments_file(), vendors_file(), *([Path(knobs)] if knobs else [])])


def lake_at(place: str | None) -> LakeStore:
    """Return the lake at a place; that of the environment, or of the data folder, where none is named."""
    return LakeStore.at(place or os.environ.get(VARIABLE) or home().lake)


def versions_of(store: LakeStore, tables: Iterable[str]) -> dict[str, str]:
    """Return the snapshot id of each table that is there."""
    found = {}
    for name in tables:
        try:
            found[name] = str(OpenTable.open(store, lake_tables()[name]).snapshot_id)
        except ConfigError as e:
            if e.value != "missing":
                raise
    return found


def ends_of(topics: Iterable[str], prefix: str) -> dict[str, Any]:
    """Return id and end offsets of topics, by their names without the prefix; nothing of those that do not exist.

    Raises
    ------
    RetryableError
        The broker does not answer.
    """
    from processors.runtime.topics import describe_topics
    from processors.sinks.follow import Follower

    servers = find_broker(home())
    names = set(topics)
    states = {s.name: s for s in describe_topics(servers, prefix) if s.name.removeprefix(prefix) in names}
    there = [name for name, state in states.items() if state.partitions]
    if not there:
        return {}
    follower = Follower(servers, there, "mps-jobs")
    try:
        ids = follower.topic_ids()
    finally:
        follower.close()
    return {name: {"id": ids[name], "ends": list(states[name].end_offsets)} for name in sorted(there)}
