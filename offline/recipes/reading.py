"""Recipes and strategy files from YAML, strictly: every error names file, line, key, value and remedy.

    recipe: {...}      one model         docs/datasets.md
    strategy: {...}    one strategy      its models are recipes too

The shapes here are what ``schemas/json`` is generated from (``python -m offline.recipes.json_schema``).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from offline.recipes import recipe as r
from offline.recipes import strategy as s
from offline.recipes.catalog_names import CROSS_FLAGS, CURVE_FLAGS, MONTHS, SPREADS, features_of
from offline.recipes.features import by_name, pack_ids
from offline.recipes.shapes import (
    Json,
    Key,
    Shape,
    flag,
    list_of,
    name,
    named,
    number,
    one_of,
    record,
    text,
    texts,
    value,
    whole,
    wholes,
)
from processors.errors import ConfigError
from processors.score.config import SLIPPAGE_MODEL
from processors.yaml_reader import YamlReader, places_of, root_of
from schemas.instruments import ASSET_CLASSES
from schemas.timeframes import TIMEFRAMES

PAGE = "docs/datasets.md"
SEED_MAX = 2**31 - 1


def _label() -> Shape:
    barriers = record(r.Barriers, {
        "up": Key(number(0.01, 100.0), "Upper barrier, in units of realized_vol * sqrt(horizon_bars).", default=1.0),
        "down": Key(number(0.01, 100.0), "Lower barrier, in the same units.", default=1.0),
        "at_time": Key(one_of(*r.AT_TIME), "Label where no barrier was touched.", default="sign"),
    })  # fmt: skip
    return record(r.LabelSpec, {
        "horizon_bars": Key(whole(1, r.HORIZON_MAX), "Bars to the end of the label.", needed=True),
        "target": Key(one_of(*r.TARGETS), "What is predicted.", default="forward_return"),
        "transform": Key(one_of(*r.TRANSFORMS), "vol_scaled for a forward_return, else none, unless said otherwise."),
        "winsor_limit": Key(number(0.1, 100.0), "Where winsorized cuts, in the units of the label.", default=4.0),
        "barriers": Key(barriers, "Of target: triple_barrier."),
        "stretch_max": Key(number(1.01, 1e6), "A horizon that takes this times its bars, or more, is void: rows are "
                           "missing. Closed hours do not count.", default=2.0),
        "over_closed_hours": Key(flag(), "Whether a horizon may run over nights, weekends, holidays and breaks; of "
                                 "daily bars it must, else not, unless said otherwise."),
    })  # fmt: skip


def _universe() -> Shape:
    return record(r.UniverseSpec, {
        "timeframe": Key(one_of(*TIMEFRAMES), "Bars that rows are of.", needed=True),
        "symbols": Key(texts(), "Symbols such as EURUSD:FX."),
        "asset_classes": Key(texts(ASSET_CLASSES), "All symbols of these classes."),
        "roots": Key(texts(), "All contracts of these roots, such as GC:CMX."),
        "min_history_bars": Key(whole(0, 10**8), "A row with fewer rows of its symbol before it is no sample.",
                                default=0),
    })  # fmt: skip


def _step() -> Shape:
    def made(kind: str, features: tuple[str, ...], bars: tuple[int, ...]) -> r.Transformation:
        return r.Transformation(kind, features, bars)

    return record(made, {
        "kind": Key(one_of(*r.STEPS), "lag and difference look bars back, zscore and rank at a window.", needed=True),
        "features": Key(texts(least=1), "Inputs of the recipe, for example rsi_14_value.", needed=True),
        "bars": Key(wholes(1, r.BARS_MAX), "How far back, or how long the window; one number or several.", needed=True),
    })  # fmt: skip


def _encoder() -> Shape:
    return record(r.Encoder, {
        "category": Key(one_of(*r.CATEGORIES), "Of the instruments file; root is its partition key.", needed=True),
        "smoothing": Key(number(0.0, 1e9), "Rows of the mean of all that are added to each category.", default=100.0),
    })  # fmt: skip


def _model(kinds: tuple[str, ...], key: str, *, tuned: bool = False) -> Shape:
    """Return the shape of a model.

    Parameters
    ----------
    key
        Of its kind.
    tuned
        Whether it may have a grid.
    """

    def made(params: dict[str, Any] | None = None, grid: dict[str, Any] | None = None, **kind: str) -> r.ModelSpec:
        return r.ModelSpec(kind[key], params or {}, grid or {})

    keys = {
        key: Key(one_of(*kinds), "Which estimator.", needed=True),
        "params": Key(named(value()), "Of the estimator, which refuses what it does not know; a list is a value."),
    }  # fmt: skip
    if tuned:
        keys["grid"] = Key(named(list_of(value(), 1)), "Parameter -> values that scheme: nested chooses from.")
    return record(made, keys)


def recipe_shape(make: Callable[..., r.ModelRecipe]) -> Shape:
    """Return the shape of what stands under ``recipe:``."""
    validation = record(r.ValidationSpec, {
        "scheme": Key(one_of(*r.SCHEMES), "How rows are split over time.", default="walk_forward"),
        "folds": Key(whole(2, 1000), "Folds that judge; of combinatorial and kfold all folds.", default=5),
        "test_folds": Key(whole(2, 999), "Of combinatorial: held out together.", default=2),
        "embargo_bars": Key(whole(0, 10**6), "Bars kept clear beside a test window.", default=60),
        "expanding": Key(flag(), "Whether training begins at the first row.", default=True),
        "inner_folds": Key(whole(2, 100), "Of nested: folds of the tuning.", default=3),
    })  # fmt: skip
    conformal = record(r.ConformalSpec, {
        "method": Key(one_of(*r.CONFORMAL), "How the interval is widened.", default="cqr"),
        "coverage": Key(number(0.5, 0.999), "Share of moves that it shall hold.", default=0.9),
        "adaptive": Key(flag(), "Whether it widens and narrows with its own misses.", default=True),
    })  # fmt: skip
    quality = record(r.Quality, {
        "drop_stale": Key(flag(), "Whether rows of stale ticks are no samples.", default=True),
        "drop_gap": Key(flag(), "Whether rows whose bar lacks ticks are no samples.", default=False),
        "outlier_frac_max": Key(number(0.0, 1.0), "Largest share of cut ticks of a sample.", default=1.0),
    })  # fmt: skip
    calibration = record(r.CalibrationSpec, {
        "method": Key(one_of(*r.CALIBRATIONS), "From score to probability.", default="platt"),
    })  # fmt: skip
    catalog = tuple(by_name())
    return record(make, {
        "id": Key(name(), "Its name, of letters, digits, _ and -.", needed=True),
        "feature_packs": Key(texts(pack_ids()), "Packs whose features are read, but raw prices."),
        "extra_features": Key(texts(catalog, suggest=True), "Further features, of any pack."),
        "include": Key(texts(least=1), "Patterns of what stays, over features and regime.* numbers.", default=["*"]),
        "exclude": Key(texts(), "Patterns of what goes."),
        "transformations": Key(list_of(_step()), "Further columns from rows before; such a model is not served."),
        "encoders": Key(list_of(_encoder()), "Categories of the instrument as the mean target of their rows, fitted "
                        "inside each fold; such a model is not served."),
        "label_spec": Key(_label(), "What is predicted.", needed=True),
        "universe_spec": Key(_universe(), "Whose rows are learnt from.", needed=True),
        "regime_model": Key(one_of(*r.REGIME_MODELS), "Whose labels the rows have.", default="bocpd"),
        "missing": Key(one_of(*r.MISSING), "Nulls of optional inputs: keep them, or drop the sample.", default="keep"),
        "quality": Key(quality, "Which rows of poor data are no samples."),
        "model": Key(_model(r.KINDS, "kind", tuned=True), "The estimator.", needed=True),
        "validation": Key(validation, "How rows are split."),
        "calibration": Key(calibration, "How a score becomes a probability."),
        "conformal": Key(conformal, "How wide the interval is."),
        "seed": Key(whole(0, SEED_MAX), "The same rows and seed give the same model.", default=1),
        "intended_use": Key(text(), "What it is for, in the words of its card.", default=r.INTENDED_USE),
        "limits": Key(texts(), "What it cannot do, in the words of its card, beside what is true of every model."),
    }, "Everything that decides what a model is, but the rows.")  # fmt: skip


def _ts() -> Shape:
    """Return the shape of ``ts``: indicator -> a number, several, or true; several parameters as a list of lists."""

    def sets(reader: YamlReader, node: yaml.Node, key: str) -> tuple[tuple[float, ...], ...]:
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:bool":
            return ((),) if reader.flag(node, key) else ()
        one = reader.number(0.0, 1e6)
        if not isinstance(node, yaml.SequenceNode):
            return ((one(node, key),),)
        found = [
            tuple(one(n, key) for n in reader.items(item, key, 1))
            if isinstance(item, yaml.SequenceNode) else (one(item, key),)
            for item in reader.items(node, key, 1)
        ]  # fmt: skip
        return tuple(dict.fromkeys(found))

    def read(reader: YamlReader, node: yaml.Node, key: str) -> dict[str, tuple[tuple[float, ...], ...]]:
        out = {}
        for word, value in reader.entries(node, key).items():
            out[word] = sets(reader, value, f"{key}.{word}")
            for numbers in out[word]:
                try:
                    features_of(word, numbers)
                except ConfigError as e:
                    raise reader.wrong(value, f"{key}.{word}", e.value, e.remedy) from None
        return out

    numbers: Json = {"type": "array", "items": {"type": "number"}, "minItems": 1}
    many = {"type": "array", "items": {"anyOf": [{"type": "number"}, numbers]}, "minItems": 1}
    value = {"anyOf": [{"type": "number"}, {"type": "boolean"}, many]}
    return Shape(read, {"type": "object", "additionalProperties": value})


def _features() -> Shape:
    def cross(momentum_months: tuple[int, ...] = (), **flags: bool) -> dict[str, Any]:
        for month in momentum_months:
            if month not in MONTHS:
                raise ConfigError("strategy", "momentum_months", month, f"of {', '.join(map(str, MONTHS))}")
        return {"momentum_months": momentum_months, "cross": tuple(f for f in CROSS_FLAGS if flags.get(f))}

    def curve(*, use: bool, spreads: tuple[str, ...] = (), **flags: bool) -> dict[str, Any]:
        on = {"use": True} | flags
        named = tuple(f for f in CURVE_FLAGS if on.get(f))
        return {"spreads": spreads, "curve": named} if use else {}

    def made(
        ts: dict[str, Any] | None = None, cross: dict[str, Any] | None = None, curve: dict[str, Any] | None = None
    ) -> s.StrategyFeatures:
        found = s.StrategyFeatures(ts or {}, **(cross or {}), **(curve or {}))
        if not found.names():
            raise ConfigError("strategy", "ts", None, "at least one feature in ts, cross or curve")
        return found

    cross_keys = {"momentum_months": Key(wholes(min(MONTHS), max(MONTHS)), "Ranks of momentum over these months.")}
    cross_keys |= {f: Key(flag(), f"Whether {', '.join(n)} is read.") for f, n in CROSS_FLAGS.items()}
    curve_keys = {"use": Key(flag(), "Whether the curve is read at all.", needed=True)}
    curve_keys |= {"spreads": Key(texts(tuple(SPREADS)), "Spreads of neighbouring contracts, as log ratios.")}
    curve_keys |= {f: Key(flag(), f"Whether {', '.join(n)} is read.") for f, n in CURVE_FLAGS.items() if f != "use"}
    return record(made, {
        "ts": Key(_ts(), "Indicators of the symbol's own bars, with their parameters: rsi: 14, ema: [10, 20]."),
        "cross": Key(record(cross, cross_keys), "Places among all symbols."),
        "curve": Key(record(curve, curve_keys), "The futures curve."),
    })  # fmt: skip


def strategy_shape(make: Callable[..., s.Strategy]) -> Shape:
    """Return the shape of what stands under ``strategy:``."""
    ensemble = record(s.Ensemble, {
        "type": Key(one_of(*s.ENSEMBLES), "How the models are weighed.", needed=True),
        "decay": Key(number(0.0, 1.0), "Factor by which the bandit forgets.", default=0.95),
    })  # fmt: skip
    models = record(s.Models, {
        "tabular": Key(_model(s.TABULAR, "type"), "A model of single rows."),
        "deep": Key(_model(s.DEEP, "type"), "A model of windows of rows."),
        "ensemble": Key(ensemble, "How they are weighed."),
    })  # fmt: skip
    share = number(1e-6, 1.0)
    risk = record(s.Risk, {
        "vol_target": Key(number(1e-6, 10.0), "Annual volatility of one position alone.", default=0.12),
        "kelly_fraction": Key(share, "Share of the Kelly bet.", default=0.35),
        "max_nav_per_symbol": Key(share, "Largest share of NAV in one symbol.", default=0.05),
        "max_adv_share": Key(share, "Largest share of the average daily volume.", default=0.02),
    })  # fmt: skip
    slippage = record(s.Slippage, {
        "model": Key(one_of(SLIPPAGE_MODEL), "Linear in the share of the daily volume.", default=SLIPPAGE_MODEL),
        "bps_per_adv_share": Key(number(0.0, 1e6), "Basis points a side for one whole daily volume.", default=30.0),
    })  # fmt: skip
    costs = record(s.Costs, {
        "fee_bps": Key(number(0.0, 1e4), "Fee a side, basis points of the traded value.", default=1.0),
        "slippage": Key(slippage, "What trading moves the price."),
    })  # fmt: skip
    guards = record(s.Guards, {
        "stale_threshold_s": Key(number(0.1, 1e7), "Age of a row past which nothing is done.", default=10.0),
        "dd_kill_intraday": Key(share, "Loss of a day, as a share of NAV, that stops trading.", default=0.05),
    })  # fmt: skip
    return record(make, {
        "universe": Key(texts(least=1), "Symbols, and roots of futures such as CL:NYM.", needed=True),
        "timeframe": Key(one_of(*TIMEFRAMES), "Bars that decisions are made on.", needed=True),
        "horizon_bars": Key(whole(1, r.HORIZON_MAX), "Bars to the end of a prediction.", needed=True),
        "roll_method": Key(one_of(*s.ROLL_METHODS), "How prices run on through rolls.", default="none"),
        "regime_model": Key(one_of(*r.REGIME_MODELS), "Whose regimes.", default="bocpd"),
        "features": Key(_features(), "What it looks at.", needed=True),
        "models": Key(models, "What predicts.", needed=True),
        "risk": Key(risk, "Limits of a position."),
        "costs": Key(costs, "What trading costs."),
        "guards": Key(guards, "When nothing is done."),
    }, "One strategy: training, live decisions, paper trading and backtests read the same file.")  # fmt: skip


def read_recipe(path: Path) -> r.ModelRecipe:
    """Return the recipe of a file.

    Raises
    ------
    ConfigError
        Names the file, the line, the key, the value and what is allowed.
    """
    found = read_file(path)
    if not isinstance(found, r.ModelRecipe):
        raise ConfigError(f"{path}:1", "file", "strategy", "a recipe; `mps recipe check` shows those of a strategy")
    return found


def read_strategy(path: Path) -> s.Strategy:
    """Return the strategy of a file; raises ConfigError as ``read_recipe``."""
    found = read_file(path)
    if not isinstance(found, s.Strategy):
        raise ConfigError(f"{path}:1", "file", "recipe", f"a strategy: strategy: {{...}}; see {PAGE}")
    return found


def read_file(path: Path) -> r.ModelRecipe | s.Strategy:
    """Return what a file holds: the key at its top says which of both; raises ConfigError as ``read_recipe``."""
    root, reader = root_of(path, PAGE), YamlReader(str(path))
    if root is None:
        raise ConfigError(f"{path}:1", "file", "empty", f"recipe: {{...}} or strategy: {{...}}; see {PAGE}")
    top = reader.mapping(root, "file", ("recipe", "strategy"))
    if len(top) != 1:
        raise reader.wrong(root, "file", ", ".join(top) or "empty", "one of recipe: and strategy:")
    key, node = next(iter(top.items()))
    places = places_of(node, str(path))

    def recipe(**values: Any) -> r.ModelRecipe:
        own = {"id": "recipe_id", "label_spec": "label", "universe_spec": "universe"}
        made = r.ModelRecipe(**{own.get(k, k): v for k, v in values.items()}, places=places)
        r.check_tuning(made)
        return made

    def strategy(**values: Any) -> s.Strategy:
        return s.Strategy(path.stem, **values, places=places)

    shape = recipe_shape(recipe) if key == "recipe" else strategy_shape(strategy)
    found: r.ModelRecipe | s.Strategy = shape.read(reader, node, key)
    return found
