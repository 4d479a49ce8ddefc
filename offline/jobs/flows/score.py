"""Gold rows of the lake at a snapshot through a registered version, by the score stage itself.

So a row that training has seen is never scored, one that comes again is scored once, and intervals follow their misses,
from the first row of the snapshot on.
"""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from offline.jobs.flows.inputs import files_in_force, lake_at
from offline.jobs.run import JobRun
from processors.errors import ConfigError
from processors.whole_file import write_whole

if TYPE_CHECKING:
    import pyarrow as pa

    from offline.lake.snapshot import SnapshotId
    from offline.lake.store import LakeStore
    from processors.runtime.batch import Columns
    from processors.score.model import ModelCard

META = b"mps.scores"
"""Key of the file's metadata: model, version, digest and end of training, snapshot of the rows."""
FILE = "scores.parquet"
BATCH_ROWS = 1 << 14
"""Rows that are given to the stage at once: 100 MB, since a batch has every field, also those that were not read."""
READ = (
    "ts", "symbol_id", "tf", "pack_hash", "packs", "warm", "raw_offset", "drifted", "regime.label", "regime.model",
    "quality.stale", "quality.gap", "meta.close", "meta.realized_vol", "meta.spread_bp", "meta.volume", "meta.adv_pct",
)  # fmt: skip
"""Fields of a gold row that the stage reads beside the inputs of its model. A test holds them against
what it asks for."""
_ORDER = ("_partition", "_offset")
_NUMBERS = {
    "prob_up": "prob_up", "score": "score", "expected_return": "expected_return", "interval_lo": "interval.lo",
    "interval_hi": "interval.hi", "nav_frac": "sizing.nav_frac",
}  # fmt: skip
_TEXTS = {"symbol_id": "symbol_id", "tf": "tf", "regime": "regime"}
_WHOLE = {"ts_ns": "ts", "horizon_bars": "horizon_bars", "raw_offset": "lineage.raw_offset"}
GATES = "gates"
"""Column of what forbids to act on a row: a list of names."""


def score(
    run: JobRun, *, model: str, which: str = "champion", snapshot: str | None = None, symbols: tuple[str, ...] = (),
    lake: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Score gold rows of the lake with a registered model, none that its training has seen, into a Parquet file."""
    # Aliases and tables move on: what they are now is written down first.
    chosen = run.step("choose", lambda: _choose(model, which, snapshot, lake))
    told: dict[str, Any] = run.step("score", lambda: _score(run.out / FILE, model, chosen, symbols, lake))
    return {**chosen, **told}


def state(*, model: str, which: str, snapshot: str | None, lake: str | None, **_: Any) -> Any:
    """Return version and snapshot, and the digests of what decides expected returns, sizes and gates beside them."""
    return {**_choose(model, which, snapshot, lake), **files_in_force()}


def _choose(model: str, which: str, snapshot: str | None, lake: str | None) -> dict[str, Any]:
    from offline.lake.reading import open_at
    from offline.registry.registry import Registry

    version = Registry().find(model, which)
    opened = open_at(lake_at(lake), "gold", snapshot)
    return {
        "model": version.name, "version": version.version, "model_sha256": version.sha256,
        "snapshot": str(opened.snapshot_id),
    }  # fmt: skip


def _score(out: Path, model: str, chosen: dict[str, Any], symbols: tuple[str, ...], lake: str | None) -> dict[str, Any]:
    """Write the scores; return where, and how many rows had which fate. Raises ConfigError where there are none."""
    from offline.lake.reading import columns_of
    from offline.lake.tables import lake_table
    from offline.registry.registry import Registry
    from processors.score.config import ScoreConfig
    from processors.score.stage import ScoreStage

    loaded = Registry().load(model, str(chosen["version"]))
    rows = _rows(lake_at(lake), loaded.card, symbols, chosen["snapshot"])
    stage, fates, parts = ScoreStage(loaded, ScoreConfig.from_environment()), Counter[str](), []
    state = stage.open()
    for begin in range(0, len(rows), BATCH_ROWS):
        made = stage.step(state, columns_of(rows.slice(begin, BATCH_ROWS), lake_table("gold")))
        parts.append(made.records["signals.v1"])
        fates.update(made.counts)
    if not any(map(len, parts)):
        until = np.datetime64(loaded.card.trained_until_ns, "ns")
        remedy = f"later ones: its training saw all until {until}; train with until, or sync the lake ({dict(fates)})"
        raise ConfigError(f"flow score: {chosen['snapshot']}", f"rows that {loaded.where} may score", 0, remedy)
    told = {**chosen, "trained_until_ns": loaded.card.trained_until_ns}
    write_whole(out, parquet_of(parts, told))
    return {"file": str(out), "rows": sum(map(len, parts)), "fates": dict(fates)}


def _rows(store: "LakeStore", card: "ModelCard", symbols: tuple[str, ...], at: "SnapshotId | str") -> "pa.Table":
    """Return the columns that the stage reads with this model, as it has rows: in the order of the log."""
    from offline.lake.reading import Wanted, column_name, open_at, read

    opened = open_at(store, "gold", at)
    have = set(opened.delta.to_pyarrow_dataset().schema.names)
    fields = (*READ, *(i.name for i in card.inputs))
    # A field that the table of that time lacks is null, as it is where rows are read whole.
    columns = [name for name in dict.fromkeys(column_name(f, opened.spec) for f in fields) if name in have]
    wanted = Wanted(symbols or None, list(card.horizon_bars), columns=[*columns, *_ORDER])
    return read(store, "gold", wanted, opened.snapshot_id).sort_by([(name, "ascending") for name in _ORDER])


def parquet_of(parts: "list[Columns]", told: dict[str, Any]) -> bytes:
    """Return signals as a Parquet file that says what made them, sorted by symbol, timeframe and time."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [(n, pa.string()) for n in _TEXTS] + [(n, pa.int64()) for n in _WHOLE] + [(n, pa.float64()) for n in _NUMBERS]
        + [(GATES, pa.list_(pa.string()))]
    )  # fmt: skip
    table = pa.concat_tables([schema.empty_table(), *(_table_of(part, schema) for part in parts)])
    table = table.sort_by([(n, "ascending") for n in ("symbol_id", "tf", "ts_ns")])
    out = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({META: json.dumps(told, sort_keys=True)}), out, compression="zstd")
    return out.getvalue()


def _table_of(signals: "Columns", schema: "pa.Schema") -> "pa.Table":
    import pyarrow as pa

    from processors.runtime.strings import STRINGS

    columns: dict[str, Any] = {
        out: [STRINGS.text(int(code)) for code in np.asarray(signals[name])] for out, name in _TEXTS.items()
    }
    columns |= {out: np.asarray(signals[name], np.int64) for out, name in _WHOLE.items()}
    columns |= {out: np.asarray(signals[name], np.float64) for out, name in _NUMBERS.items()}
    columns[GATES] = [list(STRINGS.array(int(code))) for code in np.asarray(signals["gates"])]
    return pa.table(columns, schema=schema)


def read_scores(path: Path) -> "tuple[pa.Table, dict[str, Any]]":
    """Return scores, and what made them.

    Raises
    ------
    ConfigError
        It is no file of scores, or one of an older version, which does not say what forbids to act on a row.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        made_by = json.loads(table.schema.metadata[META])
    except (OSError, KeyError, TypeError, pa.ArrowInvalid) as e:
        raise ConfigError(str(path), "file", f"{type(e).__name__}", "a file of the flow score") from None
    if GATES not in table.column_names:
        raise ConfigError(str(path), "column", f"lacks {GATES}", "a file of this version: run the flow score again")
    return table, made_by
