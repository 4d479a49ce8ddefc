"""A pack over history: bars -> the stages of the stream, in memory -> a version on disk.

Group by group, chunk by chunk: the symbols of one partition key together, so that a futures contract sees its curve,
or all symbols where rows are ranks among all (``chain``). Behind each chunk stands a checkpoint: how far the bars are
read, and the state of the stages there. A kill loses one chunk at most; the chunk is made again, with the same bytes.
Rows begin at ``from``, bars at the first there is: a feature's window is as full as it was live.
"""

import fcntl
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from offline.features import bar_order
from offline.features.bar_source import BarSource
from offline.features.chain import Chain, is_of_all_symbols, reads_facts, symbols_of
from offline.features.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from offline.features.known_facts import KnownFacts
from offline.features.packs import PackView
from offline.features.version_files import rows_file
from offline.features.versions import Manifest, Version, version_folder
from processors.errors import ConfigError, RetryableError
from processors.feeds.partitioner import partition_of
from processors.runtime.batch import Columns
from processors.topology import platform_partitions
from processors.whole_file import write_whole
from schemas.instruments import partition_key

CHUNK_BARS = 100_000
"""Bars between two checkpoints: some seconds of work, and files of some ten megabytes."""
ALL = "all"
"""Group of all symbols."""
BEYOND_NS = 7 * 86_400_000_000_000
"""How far behind ``to`` bars are read where rows are made of all symbols: a close that lacks a symbol ends with the
bars that come after it, over a weekend with holidays on both sides."""

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be made.

    Parameters
    ----------
    root
        Folder of all versions.
    from_ns, to_ns
        Rows have ts in [from_ns, to_ns].
    named
        The source, for people.
    facts, facts_files
        What is known of issuers and the market: records of the topics, and files where those know nothing.
    without_facts
        Facts are left out on purpose: features of them are null.
    partitions
        Of the platform.
    """

    root: Path
    pack: PackView
    from_ns: int
    to_ns: int
    named: str
    chunk_bars: int = CHUNK_BARS
    facts: KnownFacts = field(default_factory=KnownFacts)
    facts_files: tuple[str, ...] = ()
    without_facts: bool = False
    partitions: int = field(default_factory=platform_partitions)

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        ConfigError
            The end is before the beginning, a chunk is empty, or the pack needs facts and none are there.
        """
        if self.to_ns < self.from_ns:
            raise ConfigError("features backfill", "--to", self.to_ns, f"at or after --from, {self.from_ns}")
        if self.chunk_bars < 1:
            raise ConfigError("features backfill", "chunk_bars", self.chunk_bars, "at least 1")
        has_facts = len(self.facts) > 0 or self.facts_files
        if reads_facts(self.pack.pack) and not has_facts and not self.without_facts:
            raise ConfigError(
                "features backfill", f"facts for {self.pack.pack_id}", "none",
                "fundamentals and events: import them with `mps reference import`, name files with --facts, or say "
                "--no-facts, and the features of them are null",
            )  # fmt: skip

    @property
    def facts_named(self) -> str:
        """Return where facts are from, for people."""
        if self.without_facts:
            return "none, as asked"
        of_topics = [f"{len(self.facts):,} of the topics"] if len(self.facts) else []
        return ", ".join([*of_topics, *(Path(name).name for name in self.facts_files)])


def reads_until_ns(pack: PackView, to_ns: int) -> int:
    """Return up to which time bars are to be read for rows up to ``to_ns``."""
    return to_ns + BEYOND_NS if is_of_all_symbols(pack) else to_ns


def backfill(
    plan: Plan, source: BarSource, tell: Callable[[dict[str, int]], None] = lambda _: None,
    progress: Progress = lambda _group, _bars: None,
) -> tuple[Version, Manifest]:  # fmt: skip
    """Make a version, or go on with one that was begun; return it.

    Parameters
    ----------
    source
        Bars up to ``reads_until_ns``; of all symbols where the pack is of all.
    tell
        Told the number of bars of each symbol, first.
    progress
        Told group and number of bars after each chunk, and once for what was done before.

    Raises
    ------
    ConfigError
        There are no bars, or the pack cannot be computed from bars.
    RetryableError
        Another process makes the same version, or the source is away.
    PlatformError
        A bar was refused by a stage.
    """
    counts = source.counts()
    if not counts:
        raise ConfigError("features backfill", "bars", "none", f"bars at or before --to in {plan.named}")
    tell(counts)
    chain = _chain(plan)
    bounds = f"{source.snapshot()} {plan.from_ns} {plan.to_ns} {plan.facts.digest()} {chain.settings}"
    snapshot = hashlib.sha256(bounds.encode()).hexdigest()
    version = Version(version_folder(plan.root, plan.pack, snapshot))
    groups = groups_of(plan, list(counts))
    with _alone(version.folder):
        manifest = version.manifest() or Manifest(
            plan.pack.pack_id, plan.pack.hash, snapshot, plan.named, plan.from_ns, plan.to_ns, complete=False, rows={},
            groups=groups, facts=plan.facts_named,
        )  # fmt: skip
        if manifest.complete:
            for group, symbols in groups.items():
                progress(group, sum(counts[s] for s in symbols))
            return version, manifest
        version.write_manifest(manifest)
        ends = {group: _group(plan, source, version, group, symbols, progress) for group, symbols in groups.items()}
        rows = {s: end.rows.get(s, 0) for group, end in ends.items() for s in groups[group]}
        left_out = sum(end.left_out for end in ends.values())
        manifest = replace(
            manifest, complete=True, rows=rows, left_out=left_out, rows_sha256=_digest(version, list(groups))
        )
        version.write_manifest(manifest)
    return version, manifest


def groups_of(plan: Plan, symbols: Sequence[str]) -> dict[str, list[str]]:
    """Return the symbols whose rows are made together, by the name of their group."""
    if is_of_all_symbols(plan.pack):
        return {ALL: sorted(symbols)}
    groups: dict[str, list[str]] = {}
    for symbol in sorted(symbols):
        groups.setdefault(partition_key(symbol), []).append(symbol)
    return groups


def _chain(plan: Plan) -> Chain:
    return Chain(plan.pack, () if plan.without_facts else plan.facts_files)


def _group(
    plan: Plan, source: BarSource, version: Version, group: str, symbols: Sequence[str], progress: Progress
) -> Checkpoint:
    """Make the rows of one group from where they end; return where it ended."""
    at = read_checkpoint(version.checkpoint(group))
    progress(group, at.bars)
    if at.done:
        return at
    partitions: dict[int, list[str]] = {}
    for symbol in symbols:
        partitions.setdefault(partition_of(partition_key(symbol).encode(), plan.partitions), []).append(symbol)
    chain = _begun(plan, partitions, at)
    entries = dict(at.state or {})
    for bars, before, after in bar_order.pages(source, partitions, at.places, plan.chunk_bars):
        made = [_within(plan, rows) for rows in chain.run(bars, {p: place.newest_ns for p, place in before.items()})]
        write_whole(version.part(group, at.chunks), rows_file(plan.pack, made))
        for name, changed in chain.changed().items():
            entries[name] = {**entries.get(name, {}), **changed}
        rows = dict(at.rows)
        for part in made:
            for symbol, n in symbols_of(part).items():
                rows[symbol] = rows.get(symbol, 0) + n
        n_bars = sum(len(page) for page in bars.values())
        left_out = at.left_out + chain.left_out
        chain.left_out = 0
        at = Checkpoint(at.chunks + 1, after, at.bars + n_bars, rows, left_out=left_out, state=entries)
        write_checkpoint(version.checkpoint(group), at)
        progress(group, n_bars)
    # The state is of no more use.
    at = replace(at, done=True, state=None)
    write_checkpoint(version.checkpoint(group), at)
    return at


def _begun(plan: Plan, partitions: Mapping[int, Sequence[str]], at: Checkpoint) -> Chain:
    """Return the stages at a checkpoint; at the first one they hear of the facts, which are in the state later on."""
    chain = _chain(plan)
    if at.state is not None:
        chain.restore(at.state)
        return chain
    for partition, symbols in partitions.items():
        for batch in () if plan.without_facts else plan.facts.of(partition, symbols):
            chain.know(partition, batch)
    return chain


def _within(plan: Plan, rows: Columns) -> Columns:
    ts = np.asarray(rows["ts"], np.int64)
    return rows.take((ts >= plan.from_ns) & (ts <= plan.to_ns))


def _digest(version: Version, groups: list[str]) -> str:
    digest = hashlib.sha256()
    for group in groups:
        for path in version.parts(group):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the version's lock, which is free when its holder dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RetryableError(f"another process makes the version {folder}: wait for it") from None
        yield
