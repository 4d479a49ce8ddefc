"""Gold rows of the lake at a snapshot, as a source of training sets: only the columns, symbols and timeframe wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from offline.datasets.shares import actions_by_zone, events_of
from offline.datasets.sources import NO_PROGRESS, GoldRows, Progress, Wanted, gold_columns
from offline.lake import reading
from offline.lake.snapshot import SnapshotId
from offline.lake.store import LakeStore
from offline.lake.tables import lake_table
from processors.errors import ConfigError
from processors.runtime.batch import Columns
from processors.runtime.strings import STRINGS
from processors.score.score import has_pack
from schemas.features import load_pack

TABLE = "gold"


@dataclass(frozen=True, slots=True)
class LakeGold:
    """The table ``gold`` of a lake; ``data_snapshot_id`` is its version.

    Parameters
    ----------
    snapshot
        Fixed when the source is opened, so that all recipes of one command read the same rows while the lake grows.
    facts
        Files of events, for splits and dividends: the lake keeps none. They are no part of the snapshot's id.
    """

    store: LakeStore
    snapshot: SnapshotId
    facts: tuple[Path, ...] = ()

    @classmethod
    def at(cls, store: LakeStore, snapshot: str | None = None, facts: Sequence[Path] = ()) -> Self:
        """Open a lake at a snapshot id, at the newest version where none is given.

        Raises
        ------
        ConfigError
            There is no lake, the text is no snapshot of gold rows, or the snapshot is not of this lake.
        """
        return cls(store, reading.open_at(store, TABLE, snapshot).snapshot_id, tuple(facts))

    def rows(self, wanted: Wanted, progress: Progress = NO_PROGRESS) -> GoldRows:
        """Return the rows of the timeframe and symbols; of two records of one bar the last one in the log comes last.

        Raises
        ------
        ConfigError
            Names place, table and version: it has no such column, row or pack, vacuum has removed its files, or the
            recipe asks for the cross-section.
        """
        if wanted.cross_columns:
            raise ConfigError(
                self._where, "rows of cross.v1", "none",
                "a recipe without features of the cross-section: the lake does not keep them; --gold with --cross, "
                "--clickhouse and recorded ticks bring them",
            )  # fmt: skip
        opened = reading.open_at(self.store, TABLE, self.snapshot)
        fields = gold_columns(wanted)
        columns = [reading.column_name(field, opened.spec) for field in fields]
        lacking = sorted(set(columns) - set(opened.delta.to_pyarrow_dataset().schema.names))
        if lacking:
            raise ConfigError(
                self._where, "columns", f"lacks {', '.join(lacking)}",
                "a later version: the next `mps lake sync` adds what the schema has gained, null in the rows before",
            )  # fmt: skip
        chosen = reading.Wanted(wanted.symbols, [wanted.timeframe], columns=columns)
        gold, snapshot = reading.read_columns(self.store, TABLE, chosen, self.snapshot)
        progress("rows", len(gold))
        self._check(gold, wanted)
        return GoldRows(gold, None, str(snapshot), actions_by_zone(events_of(self.facts)))

    def _check(self, gold: Columns, wanted: Wanted) -> None:
        """Refuse rows of which none can be used, with what is there instead."""
        if not len(gold):
            among = "any symbol" if wanted.symbols is None else ", ".join(wanted.symbols)
            raise ConfigError(
                self._where, f"rows of {wanted.timeframe}", 0,
                f"some of {among}: another snapshot (`mps lake history gold`), or fill it with `mps lake sync`",
            )  # fmt: skip
        for pack_id in wanted.pack_ids:
            pack = load_pack(pack_id)
            if not has_pack(gold, pack.pack_id, pack.hash).any():
                codes = np.unique(np.asarray(gold["packs"], np.int64))
                found = sorted({ref for code in codes for ref in STRINGS.array(int(code))})
                raise ConfigError(
                    self._where, "packs of the rows", ", ".join(found) or "none",
                    f"rows that have {pack.ref}: run featurize with it in MPS_FEATURE_PACKS, then `mps lake sync`",
                )  # fmt: skip

    @property
    def _where(self) -> str:
        return f"{self.store.uri(lake_table(TABLE).folder)} at {self.snapshot}"
