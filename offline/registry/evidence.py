"""What is known of a model when it is registered: how it was made, of what, and how it did on rows it had not seen."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from offline.export.latency import Latency
from offline.selection.trials import UNSTATED, Returns
from processors.errors import ConfigError
from processors.score.config import ScoreConfig

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

SHEET, ROWS, RETURNS = "evidence.json", "out_of_sample.parquet", "returns.parquet"
"""Files that ``write`` makes and ``read`` reads."""
_TOLD = b"mps.returns"
ROW_ARRAYS = (
    "ts_ns", "symbol", "regime", "fold", "probability", "up", "move", "low", "high", "base_rate",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OutOfSample:
    """Predictions of rows that no fit and no calibration of their fold had seen, ascending by time.

    Parameters
    ----------
    ts_ns
        Shape (n,), end of the bar.
    symbol, regime
        Shape (n,), into ``symbols`` and ``regimes``.
    fold
        Shape (n,), from 0.
    probability
        Shape (n,), calibrated, of up.
    up
        Shape (n,), 1.0 where it came true.
    move, low, high
        Shape (n,), move to the end of the horizon, and bounds of its conformal interval, in units of
        ``realized_vol * sqrt(horizon_bars)``.
    base_rate
        Shape (n,), share of up rows in the training of the fold: the forecast to beat.
    horizon_bars
        A label overlaps with those of so many rows after it.
    coverage
        Nominal, of the interval, 0 to 1.
    """

    symbols: tuple[str, ...]
    regimes: tuple[str, ...]
    ts_ns: I64
    symbol: I64
    regime: I64
    fold: I64
    probability: F64
    up: F64
    move: F64
    low: F64
    high: F64
    base_rate: F64
    horizon_bars: int
    coverage: float

    def __post_init__(self) -> None:
        """Refuse rows that cannot be measured.

        Raises
        ------
        ConfigError
            Lengths differ, there are none, times go back, or a value is no number or no probability.
        """
        lengths = {name: len(getattr(self, name)) for name in ROW_ARRAYS}
        if len(set(lengths.values())) != 1 or not len(self.ts_ns):
            raise ConfigError("out of sample", "lengths", lengths, "the same, at least one row")
        if (np.diff(self.ts_ns) < 0).any():
            raise ConfigError("out of sample", "ts_ns", "times that go back", "rows ascending by time")
        for name in ROW_ARRAYS[4:]:
            # An interval that follows its misses is infinite where more was missed than any finite one makes good.
            bad = np.isnan if name in {"low", "high"} else lambda values: ~np.isfinite(values)
            if bad(getattr(self, name)).any():
                raise ConfigError("out of sample", name, "values that are no numbers", "finite numbers")
        for name in ("probability", "base_rate"):
            if not ((getattr(self, name) >= 0.0) & (getattr(self, name) <= 1.0)).all():
                raise ConfigError("out of sample", name, "values beyond 0 and 1", "probabilities")

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ts_ns)


@dataclass(frozen=True, slots=True)
class Method:
    """How it was made; ``validation`` says how rows were split, with purge and embargo."""

    kind: str
    parameters: dict[str, Any]
    window_bars: int
    seed: int
    calibration: str
    conformal: str
    validation: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class DatasetSheet:
    """What it was made of.

    Parameters
    ----------
    snapshot_id, sha256
        Version of the lake's table, and digest of what training read.
    pack_id, pack_hash
        Feature pack of the rows.
    target
        What the label asks, in words.
    universe
        Symbols.
    from_ns, until_ns
        First row, and the newest event time that training or calibration has seen.
    rows, samples
        Rows read, and those with a label that could be used.
    dropped
        Reason -> rows that were left out for it; empty only where nothing was.
    """

    snapshot_id: str
    sha256: str
    pack_id: str
    pack_hash: str
    timeframe: str
    horizon_bars: int
    target: str
    universe: tuple[str, ...]
    from_ns: int
    until_ns: int
    rows: int
    samples: int
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True)
class FoldSheet:
    """The times of a fold, and its rows."""

    train_from_ns: int
    train_until_ns: int
    test_from_ns: int
    test_until_ns: int
    n_train: int
    n_test: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a registration is told.

    Parameters
    ----------
    experiment
        Its trials are those that this model was chosen from.
    recipe
        As it was read, to be run again.
    importance
        Shape (n_folds, n_inputs), ``Fitted.importance`` of each fold.
    report
        Of the training, kept as it is.
    intended_use, limits
        The two things that people write.
    latency
        Of the file, as it is served.
    lineage
        The model that it began with, where it refines one; empty otherwise.
    costs
        What positions of the returns paid, where a strategy says it; None where it was what the environment said, and
        of a version that was registered before this was kept.
    """

    recipe_id: str
    recipe_hash: str
    recipe: dict[str, Any]
    experiment: str
    method: Method
    dataset: DatasetSheet
    folds: tuple[FoldSheet, ...]
    rows: OutOfSample
    returns: Returns
    inputs: tuple[str, ...]
    importance: F64
    report: dict[str, Any]
    intended_use: str
    limits: tuple[str, ...]
    latency: Latency
    lineage: dict[str, str] = field(default_factory=dict)
    costs: ScoreConfig | None = None

    def __post_init__(self) -> None:
        """Refuse importances of other inputs or folds.

        Raises
        ------
        ConfigError
            The shape is another.
        """
        want = (len(self.folds), len(self.inputs))
        if self.importance.shape != want:
            raise ConfigError("evidence", "shape of importance", self.importance.shape, f"{want}: folds, inputs")

    def write(self, folder: Path) -> None:
        """Write it as three files of a folder."""
        rows, returns = self.rows, self.returns
        sheet = {
            **{k: getattr(self, k) for k in ("recipe_id", "recipe_hash", "recipe", "experiment", "report")},
            **{k: getattr(self, k) for k in ("inputs", "intended_use", "limits", "lineage")},
            "method": asdict(self.method),
            "latency": asdict(self.latency),
            "costs": None if self.costs is None else asdict(self.costs),
            "dataset": asdict(self.dataset),
            "folds": [asdict(f) for f in self.folds],
            "importance": self.importance.tolist(),
            "rows": {k: getattr(rows, k) for k in ("symbols", "regimes", "horizon_bars", "coverage")},
        }
        (folder / SHEET).write_text(json.dumps(sheet, indent=1, sort_keys=True) + "\n")
        pq.write_table(pa.table({k: getattr(rows, k) for k in ROW_ARRAYS}), folder / ROWS)
        write_returns(returns, folder / RETURNS)

    @classmethod
    def read(cls, folder: Path) -> "Evidence":
        """Return what ``write`` wrote.

        Raises
        ------
        ConfigError
            A file is missing or holds something else.
        """
        try:
            sheet = json.loads((folder / SHEET).read_text())
            table = pq.read_table(folder / ROWS)
            arrays = {k: table[k].to_numpy() for k in ROW_ARRAYS}
            of_rows = sheet.pop("rows")
            rows = OutOfSample(
                symbols=tuple(of_rows["symbols"]), regimes=tuple(of_rows["regimes"]),
                horizon_bars=of_rows["horizon_bars"], coverage=of_rows["coverage"], **arrays,
            )  # fmt: skip
            dataset = {**sheet.pop("dataset")}
            universe = tuple(dataset.pop("universe"))
            costs = sheet.pop("costs", None)
            n_folds, inputs = len(sheet["folds"]), tuple(sheet.pop("inputs"))
            return cls(
                method=Method(**sheet.pop("method")),
                latency=Latency(**sheet.pop("latency")),
                dataset=DatasetSheet(universe=universe, **dataset),
                folds=tuple(FoldSheet(**f) for f in sheet.pop("folds")),
                rows=rows,
                returns=read_returns(folder / RETURNS, sheet.pop("periods_a_year", None)),
                inputs=inputs,
                importance=np.array(sheet.pop("importance"), np.float64).reshape(n_folds, len(inputs)),
                limits=tuple(sheet.pop("limits")),
                costs=None if costs is None else ScoreConfig(**costs),
                **sheet,
            )
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as e:
            raise ConfigError(str(folder), "evidence", repr(e), "the three files of a registration") from e


def write_returns(returns: Returns, path: Path) -> None:
    """Write returns as Parquet, with what they are in its metadata."""
    table = pa.table({k: getattr(returns, k) for k in ("ts_ns", "value", "fold")})
    told = {k: getattr(returns, k) for k in ("periods_a_year", "period_ns", "of_paths", "causal")}
    pq.write_table(table.replace_schema_metadata({_TOLD: json.dumps(told, sort_keys=True)}), path)


def read_returns(path: Path, periods_a_year: float | None = None) -> Returns:
    """Return what ``write_returns`` wrote.

    Parameters
    ----------
    periods_a_year
        Of a file of an older version, which does not say: its periods are ``UNSTATED``, to be counted and read but not
        compared.
    """
    table = pq.read_table(path)
    ts_ns, value, fold = (table[k].to_numpy() for k in ("ts_ns", "value", "fold"))
    metadata = table.schema.metadata or {}
    if _TOLD not in metadata:
        if periods_a_year is None:
            raise KeyError("periods_a_year")
        return Returns(ts_ns, value, fold, periods_a_year, UNSTATED)
    told = json.loads(metadata[_TOLD])
    return Returns(ts_ns, value, fold, **{**told, "of_paths": tuple(told["of_paths"])})
