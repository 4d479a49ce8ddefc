"""Gold rows into a ``TrainingSet``, with every row and sample that was left out counted by its reason.

source -> rows of the universe -> sorted by symbol, time -> x (inputs, transformations)
                                                         -> labels -> samples: warm, of good quality, labelled
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.cross_join import with_cross
from offline.datasets.encoders import codes_of
from offline.datasets.labelling import Labels, make_labels
from offline.datasets.reasons import ROW_REASONS, SAMPLE_REASONS, in_words
from offline.datasets.sources import NO_PROGRESS, GoldRows, GoldSource, Progress, Wanted
from offline.datasets.training_set import F32, F64, I64, Meta, TrainingSet
from offline.datasets.transforms import CODES, group_begin, transform
from offline.recipes.features import Resolved
from offline.recipes.recipe import ModelRecipe, UniverseSpec
from processors.errors import ConfigError
from processors.missing import is_warm
from processors.runtime.batch import Columns
from processors.runtime.strings import STRINGS
from processors.score.inputs import input_matrix
from processors.score.score import has_pack
from schemas.features import WARMUP
from schemas.instruments import load_instruments

Mask = NDArray[np.bool_]

BLOCK_ROWS = 1 << 12
"""Rows of a matrix that are worked on at once, so that they stay in the cache."""

BESIDE = (
    "ts", "symbol_id", "tf", "warm", "regime.label", "quality.stale", "quality.gap", "quality.outlier_frac",
    "meta.close", "meta.realized_vol", "meta.spread_bp", "meta.volume", "meta.adv_pct",
)  # fmt: skip
"""Fields that are read beside the inputs, after the rows are chosen."""

MARKET = {
    "vol": "meta.realized_vol", "spread_bp": "meta.spread_bp", "close": "meta.close", "volume": "meta.volume",
    "adv_pct": "meta.adv_pct",
}  # fmt: skip
"""Field of the training set -> of the gold row: what a move is worth and costs, but for the shares that it is in."""


@dataclass(slots=True)
class SymbolReport:
    """Of one symbol: rows, samples, first and last sample, share of ups."""

    rows: int
    samples: int
    first_ns: int
    last_ns: int
    up_share: float


@dataclass(slots=True)
class Report:
    """What became of every row: ``rows_read`` is ``rows`` and those left out, ``rows`` is ``samples`` and those."""

    rows_read: int = 0
    rows: int = 0
    samples: int = 0
    rows_left_out: dict[str, int] = field(default_factory=dict)
    samples_left_out: dict[str, int] = field(default_factory=dict)
    symbols: dict[str, SymbolReport] = field(default_factory=dict)
    nulls: dict[str, float] = field(default_factory=dict)
    """Input -> share of the samples in which it is null, where it is any."""

    def as_json(self) -> dict[str, Any]:
        """Return the report in words of JSON."""
        return asdict(self)


def wanted_of(recipe: ModelRecipe) -> Wanted:
    """Return what a recipe reads."""
    resolved = recipe.resolved()
    gold = [i.name for i in resolved.inputs if i.name.startswith("regime.")]
    gold += [f"features.{f.name}" for f in resolved.features if f.source != "cross"]
    # Joined as a whole pack; nulls of unread columns would do no harm, but a source may bring only these.
    of_cross = [f"features.{f.name}" for f in resolved.cross_pack.features] if resolved.cross_pack else []
    beside = ("ts", "symbol_id", "tf", "packs", "waited_s")
    return Wanted(
        tuple(gold), (*beside, *of_cross) if of_cross else (), tuple(p.pack_id for p in resolved.packs),
        recipe.universe.timeframe, symbols_of(recipe.universe), recipe.regime_model,
    )  # fmt: skip


def symbols_of(universe: UniverseSpec) -> tuple[str, ...] | None:
    """Return the symbols that a universe names, ascending; None for all."""
    if not (universe.symbols or universe.asset_classes or universe.roots):
        return None
    rows = load_instruments().rows
    of_class = {r.symbol_id for r in rows if r.asset_class in universe.asset_classes}
    of_root = {r.symbol_id for r in rows if r.partition_key in universe.roots}
    return tuple(sorted({*universe.symbols, *of_class, *of_root}))


def build(
    recipe: ModelRecipe,
    source: GoldSource,
    progress: Progress = NO_PROGRESS,
    step: Callable[[str], None] = lambda _: None,
) -> tuple[TrainingSet, Report]:
    """Return the training set of a recipe, and what was left out.

    Parameters
    ----------
    progress
        Called while the source is read.
    step
        Called with the name of each step as it begins.

    Raises
    ------
    ConfigError
        The source gives no row, or no sample is left; with the counts.
    """
    step("gold rows")
    return from_rows(recipe, source.rows(wanted_of(recipe), progress), step)


def from_rows(
    recipe: ModelRecipe, rows: GoldRows, step: Callable[[str], None] = lambda _: None
) -> tuple[TrainingSet, Report]:
    """Return the training set of gold rows in any order; see ``build``."""
    resolved, report = recipe.resolved(), Report(rows_read=len(rows.gold))
    step("sort")
    gold, symbol, symbols = _chosen(recipe, resolved, rows, report)
    step("inputs")
    if resolved.cross_pack is not None:
        if rows.cross is None:
            where = f"recipe {recipe.recipe_id}"
            raise ConfigError(where, "rows of cross.v1", 0, f"a source of them, for {resolved.cross_pack.pack_id}")
        gold = with_cross(gold, rows.cross, resolved.cross_pack)
    x = inputs_of(recipe, resolved, gold, symbol, symbols)
    step("labels")
    made = make_labels(recipe, gold, symbol, symbols, rows.actions)
    step("samples")
    usable = _samples(recipe, resolved, gold, made, x, np.arange(len(x)) - group_begin(symbol), report)
    ts = np.array(gold["ts"], np.int64)
    at = np.flatnonzero(usable)
    at = at[np.lexsort((symbol[at], ts[at]))]
    _tell(report, x, symbol, symbols, ts, at, made.up, [i.name for i in recipe.inputs()])
    # Named and not there: told as such, since nobody misses what is not in a table.
    report.symbols |= {s: SymbolReport(0, 0, 0, 0, 0.0) for s in recipe.universe.symbols if s not in symbols}
    if not len(at):
        raise ConfigError(recipe.place("universe_spec"), "samples", 0, f"some: {_why(report)}; name more recordings")
    packs = (*resolved.packs, *([resolved.cross_pack] if resolved.cross_pack else []))
    meta = Meta(
        recipe.recipe_id, recipe.hash, packs[0].pack_id, packs[0].hash, tuple(p.ref for p in packs),
        recipe.universe.timeframe, recipe.label.horizon_bars, recipe.label.target, recipe.label.transform,
        rows.snapshot_id,
    )  # fmt: skip
    data = TrainingSet(
        recipe.inputs(), symbols, gold.layout.symbols["regime.label"], x, symbol, ts,
        np.array(gold["regime.label"], np.int64),
        at=at, end_ns=made.end_ns[at], exit_ns=made.exit_ns[at], move=made.move[at],
        end_move=made.end_move[at], up=made.up[at], target=made.target[at], value=made.value, meta=meta,
        **{name: np.array(gold[column], np.float64) for name, column in MARKET.items()},
    )  # fmt: skip
    return data.stamped(), report


def _chosen(
    recipe: ModelRecipe, resolved: Resolved, rows: GoldRows, report: Report
) -> tuple[Columns, I64, tuple[str, ...]]:
    """Return the rows of the universe by symbol and time, the symbol of each as a position, and the symbols."""
    gold = rows.gold
    left = np.ones(len(gold), np.bool_)
    symbols = symbols_of(recipe.universe)
    model = gold.layout.symbols["regime.model"].index(recipe.regime_model)

    def leave_out(reason: str, bad: Mask) -> None:
        assert reason in ROW_REASONS, f"{reason} has no words"
        n = int((left & bad).sum())
        left[bad] = False
        if n:
            report.rows_left_out[reason] = n

    leave_out("other_timeframe", gold["tf"] != STRINGS.code(recipe.universe.timeframe))
    if symbols is not None:
        leave_out("other_symbol", ~np.isin(gold["symbol_id"], [STRINGS.code(s) for s in symbols]))
    lacks = np.zeros(len(gold), np.bool_)
    for pack in resolved.packs:
        lacks |= ~has_pack(gold, pack.pack_id, pack.hash)
    leave_out("lacks_pack", lacks)
    leave_out("other_regime_model", gold["regime.model"] != model)
    # Codes differ from process to process: order by the texts.
    codes, inverse = np.unique(np.asarray(gold["symbol_id"], np.int64)[left], return_inverse=True)
    texts = [STRINGS.text(int(c)) for c in codes]
    names = sorted(texts)
    rank = np.full(len(gold), -1)
    rank[left] = np.array([names.index(t) for t in texts], np.int64)[inverse]
    ts = np.asarray(gold["ts"], np.int64)
    at = np.flatnonzero(left)
    at = at[np.lexsort((at, ts[at], rank[at]))]
    last = np.r_[(rank[at][1:] != rank[at][:-1]) | (ts[at][1:] != ts[at][:-1]), np.ones(min(len(at), 1), np.bool_)]
    bad = np.zeros(len(gold), np.bool_)
    bad[at[~last]] = True
    leave_out("repeated", bad)
    at = at[left[at]]
    report.rows = len(at)
    if not len(at):
        raise ConfigError(recipe.place("universe_spec"), "gold rows", len(gold), f"some that fit: {_why(report)}")
    kept, symbol = np.unique(rank[at], return_inverse=True)
    return _read(gold, resolved, at), np.asarray(symbol, np.int64), tuple(names[i] for i in kept)


def _read(gold: Columns, resolved: Resolved, at: I64) -> Columns:
    """Return rows with the columns that are read: to copy the hundreds of others would be most of the work."""
    inputs = [i.name for i in resolved.inputs if i.name in gold.layout.column]
    names = tuple(dict.fromkeys((*BESIDE, *inputs)))
    column: dict[str, tuple[bool, int]] = {}
    kinds: tuple[list[str], list[str]] = ([], [])
    for name in names:
        is_float = gold.layout.column[name][0]
        column[name] = (is_float, len(kinds[is_float]))
        kinds[is_float].append(name)
    ints, floats = np.empty((len(kinds[0]), len(at)), np.int64), np.empty((len(kinds[1]), len(at)), np.float64)
    for rows, of_kind in zip((ints, floats), kinds, strict=True):
        for name, row in zip(of_kind, rows, strict=True):
            np.take(gold[name], at, out=row, mode="clip")
    layout = replace(gold.layout, names=names, column=column, n_ints=len(kinds[0]), n_floats=len(kinds[1]))
    return Columns(layout, ints, floats, gold.offset[at])


def _why(report: Report) -> str:
    told = in_words(report.samples_left_out, SAMPLE_REASONS) + in_words(report.rows_left_out, ROW_REASONS)
    return "; ".join(f"{n:,} {words}" for words, n in told) or "the source gave none"


def inputs_of(recipe: ModelRecipe, resolved: Resolved, gold: Columns, symbol: I64, symbols: tuple[str, ...]) -> F32:
    """Return ``x`` of rows by symbol and time: the inputs as score makes them, transformations, codes of categories."""
    plain = input_matrix(gold, resolved.inputs)
    place = {i.name.removeprefix("features."): j for j, i in enumerate(resolved.inputs)}
    made = [
        (CODES[step.kind], place[name], bars)
        for step in recipe.transformations for name in step.features for bars in step.bars
    ]  # fmt: skip
    if not (made or recipe.encoders):
        return plain
    begin, columns = group_begin(symbol), np.empty((len(made) + len(recipe.encoders), len(plain)), np.float32)
    for out, (kind, column, bars) in zip(columns[: len(made)], made, strict=True):
        transform(kind, np.ascontiguousarray(plain[:, column]), begin, bars, out)
    for out, encoder in zip(columns[len(made) :], recipe.encoders, strict=True):
        out[:] = codes_of(encoder.category, symbols)[symbol]
    x = np.empty((len(plain), plain.shape[1] + len(columns)), np.float32)
    # A column at a time would fetch each line of the matrix once a column.
    for first in range(0, len(plain), BLOCK_ROWS):
        block = slice(first, first + BLOCK_ROWS)
        x[block, : plain.shape[1]] = plain[block]
        x[block, plain.shape[1] :] = columns[:, block].T
    return x


def _samples(
    recipe: ModelRecipe, resolved: Resolved, gold: Columns, made: Labels, x: F32, before: I64, report: Report
) -> Mask:
    """Return which rows are samples, and count the others by the first reason against each.

    Parameters
    ----------
    before
        Shape (n,): rows of the symbol before each. What comes after a row never decides whether it has a history.
    """
    required = [f"features.{f.name}" for f in resolved.features if f.missing_policy == WARMUP and f.source != "cross"]
    places = np.array([gold.layout.column[name][1] for name in required], np.int64)
    warm = (np.asarray(gold["warm"]) != 0) & is_warm(gold.floats, places)
    quality = recipe.quality
    none = np.zeros(len(gold), np.bool_)
    reasons = {
        "short_history": before < recipe.universe.min_history_bars,
        "not_warm": ~warm,
        "stale": np.asarray(gold["quality.stale"]) != 0 if quality.drop_stale else none,
        "gap": np.asarray(gold["quality.gap"]) != 0 if quality.drop_gap else none,
        "outliers": np.asarray(gold["quality.outlier_frac"]) > quality.outlier_frac_max,
        "null_input": np.isnan(x).any(axis=1) if recipe.missing == "drop" else none,
        "no_volatility": ~(made.unit > 0),
    } | made.void
    assert tuple(reasons) == tuple(SAMPLE_REASONS), "each reason has its words, in the order in which it counts"
    usable = np.ones(len(gold), np.bool_)
    for reason, bad in reasons.items():
        n = int((usable & bad).sum())
        usable &= ~bad
        if n:
            report.samples_left_out[reason] = n
    report.samples = int(usable.sum())
    return usable


def _tell(
    report: Report, x: F32, symbol: I64, symbols: tuple[str, ...], ts: I64, at: I64, up: F64, names: list[str]
) -> None:
    for i, name in enumerate(symbols):
        own = at[symbol[at] == i]
        told = (int(ts[own[0]]), int(ts[own[-1]]), float(up[own].mean())) if len(own) else (0, 0, 0.0)
        report.symbols[name] = SymbolReport(int((symbol == i).sum()), len(own), *told)
    if len(at):
        blocks = (at[i : i + BLOCK_ROWS] for i in range(0, len(at), BLOCK_ROWS))
        share = sum(np.isnan(x[block]).sum(axis=0) for block in blocks) / len(at)
        report.nulls = {name: float(s) for name, s in zip(names, share, strict=True) if s > 0}
