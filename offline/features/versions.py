"""Back-filled packs: tables on disk, one version for each pack, hash and snapshot of the bars it was made of.

::

    ROOT / core_value_v1@d2f875f39c51a2d7 / 4be1c0ffee11d2aa / manifest.json
                                                               checkpoints/EURUSD%3AFX.json
                                                               rows/EURUSD%3AFX/00000.parquet ...

The symbols of one partition key are one group, and so are all symbols where rows are made of all together.

A file of rows is complete or not there: it is written beside its place and renamed. A version counts once its manifest
says ``complete``; nothing in it changes afterwards.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from offline.features.packs import QUALITY, PackView
from offline.features.rows import Rows, merged
from offline.features.table_rows import rows_of
from processors.errors import ConfigError
from processors.whole_file import write_whole

ID_CHARS = 16
MANIFEST, CHECKPOINTS, ROWS = "manifest.json", "checkpoints", "rows"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version is.

    Parameters
    ----------
    snapshot
        Digest of the bars that it was made of, and of its bounds.
    from_ns, to_ns
        Rows have ts in [from_ns, to_ns].
    rows
        Number of rows of each symbol.
    rows_sha256
        Digest of all files of rows, in order; empty until the version is complete.
    groups
        Group -> its symbols: they are in the same files. Empty where the version was made before there were groups, by
        stages that did not fit every pack: such a one does not count.
    facts
        Where facts came from, for people.
    left_out
        Bars without a row, since they came after a later one of their series.
    """

    pack_id: str
    pack_hash: str
    snapshot: str
    source: str
    from_ns: int
    to_ns: int
    complete: bool
    rows: dict[str, int]
    rows_sha256: str = ""
    groups: dict[str, list[str]] = field(default_factory=dict)
    facts: str = ""
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    """The folder of one version."""

    folder: Path

    def manifest(self) -> Manifest | None:
        """Return what the version is; None where it was not begun.

        Raises
        ------
        ConfigError
            The file cannot be read.
        """
        path = self.folder / MANIFEST
        try:
            return Manifest(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as e:
            raise ConfigError(str(path), "manifest", str(e), "remove the folder and back-fill it again") from None

    def write_manifest(self, manifest: Manifest) -> None:
        """Write what the version is."""
        write_whole(self.folder / MANIFEST, json.dumps(asdict(manifest), indent=1, sort_keys=True))

    def checkpoint(self, group: str) -> Path:
        """Return the file that says how far a group is."""
        return self.folder / CHECKPOINTS / f"{quote(group, safe='')}.json"

    def part(self, group: str, number: int) -> Path:
        """Return the file of the rows of one chunk."""
        return self.folder / ROWS / quote(group, safe="") / f"{number:05d}.parquet"

    def parts(self, group: str) -> list[Path]:
        """Return the files of a group's rows, in order of time."""
        return sorted((self.folder / ROWS / quote(group, safe="")).glob("*.parquet"))


def version_folder(root: Path, pack: PackView, snapshot: str) -> Path:
    """Return the folder of a version."""
    return root / f"{pack.pack_id}@{pack.hash[:ID_CHARS]}" / snapshot[:ID_CHARS]


def complete_versions(root: Path, pack: PackView) -> list[tuple[Version, Manifest]]:
    """Return the complete versions of a pack, that which reaches furthest last."""
    found = []
    for folder in (root / f"{pack.pack_id}@{pack.hash[:ID_CHARS]}").glob("*"):
        manifest = Version(folder).manifest()
        if manifest is not None and manifest.complete and manifest.groups and manifest.pack_hash == pack.hash:
            found.append((Version(folder), manifest))
    return sorted(found, key=lambda v: (v[1].to_ns, -v[1].from_ns, v[1].snapshot))


def read_version(root: Path, pack: PackView, snapshot: str | None = None) -> pa.Table:
    """Return the rows of a version, for training: of the one that reaches furthest where none is named.

    Returns
    -------
    symbol_id, tf, ts, known_at, the features in the pack's order, quality; by group, then as they were made.

    Raises
    ------
    ConfigError
        There is no such version.
    """
    versions = [v for v in complete_versions(root, pack) if snapshot is None or v[1].snapshot.startswith(snapshot)]
    if not versions:
        remedy = f"make it: mps features backfill --pack {pack.pack_id}"
        raise ConfigError(str(root), f"version of {pack.ref}", snapshot, remedy)
    version, manifest = versions[-1]
    parts = [pq.read_table(path) for group in manifest.groups for path in version.parts(group)]
    return pa.concat_tables([table_schema(pack).empty_table(), *parts])


def table_schema(pack: PackView) -> pa.Schema:
    """Return the columns of a file of rows."""
    fields = [pa.field("symbol_id", pa.string()), pa.field("tf", pa.string())]
    fields += [pa.field(name, pa.timestamp("ns", "UTC")) for name in ("ts", "known_at")]
    fields += [pa.field(name, pa.float64()) for name in pack.names]
    fields += [pa.field(f"quality_{name}", pa.float64()) for name in QUALITY]
    return pa.schema(fields, metadata={"pack_id": pack.pack_id, "pack_hash": pack.hash})


class VersionRows:
    """The store of back-filled rows: of the complete version of the pack that reaches furthest.

    Parameters
    ----------
    root
        Folder of all versions; it may be missing.
    """

    name = "back-fills"

    def __init__(self, root: Path) -> None:
        self._root = root

    def newest(self, symbols: Sequence[str], tf: str, as_of_ns: int | None, n: int, pack: PackView) -> Rows:
        """Return the newest rows; see ``FeatureStore``."""
        rows = Rows.none(len(pack.names))
        versions = complete_versions(self._root, pack)
        if not versions:
            return rows
        version, manifest = versions[-1]
        place = {symbol: i for i, symbol in enumerate(symbols)}
        for group, members in manifest.groups.items():
            wanted = [symbol for symbol in members if symbol in place]
            at = [place[symbol] for symbol in wanted]
            for found in _newest_first(version, group, wanted, tf, as_of_ns) if wanted else ():
                rows = merged(rows, rows_of(found, symbols, pack, ""))
                if (rows.counts(len(symbols))[at] >= n).all():
                    break
        return rows.newest(n)


def _newest_first(
    version: Version, group: str, symbols: Sequence[str], tf: str, as_of_ns: int | None
) -> Iterator[pa.Table]:
    for path in reversed(version.parts(group)):
        table = pq.read_table(path, filters=[("tf", "=", tf), ("symbol_id", "in", symbols)])
        if as_of_ns is not None:
            limit = pa.scalar(as_of_ns, pa.int64()).cast(pa.timestamp("ns", "UTC"))
            table = table.filter(pc.less_equal(table.column("ts"), limit))
        yield table
