"""``ModelRecipe``: everything that decides what a trained model is, but the rows.

A recipe's hash is that of its meaning: names of the file, comments, order of keys and patterns that choose the same
features do not move it; whatever could change one bit of the model does.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from math import comb, prod
from typing import Any

from offline.labels import STRETCH_MAX
from offline.models import kinds
from offline.recipes.features import Resolved, resolve
from processors.errors import ConfigError
from processors.score.inputs import Input
from schemas.instruments import ASSET_CLASSES
from schemas.timeframes import SESSION, TIMEFRAMES

KINDS = tuple(kinds.KINDS)
WINDOW_KINDS = kinds.kinds_in(kinds.DEEP)
"""These read the rows before by themselves."""
TARGETS = ("forward_return", "sign", "forward_sharpe", "triple_barrier")
TRANSFORMS = ("none", "vol_scaled", "winsorized")
CATEGORIES = ("asset_class", "root", "calendar", "currency")
AT_TIME = ("sign", "zero")
STEPS = ("lag", "difference", "zscore", "rank")
WINDOWED = ("zscore", "rank")
SCHEMES = ("walk_forward", "combinatorial", "kfold", "nested")
CALIBRATIONS = ("platt", "isotonic", "beta", "none")
CONFORMAL = ("cqr", "cqr_two_sided")
"""Both are in the graph: one offset for both bounds, or one for each."""
REGIME_MODELS = ("bocpd", "bocpd_features", "hmm")
MISSING = ("keep", "drop")
BARS_MAX = 10_000
SPLITS_MAX = 10_000
"""Of combinatorial folds: each is a model of its own."""
HORIZON_MAX = 1_000
GRID_MAX = 64
"""Most combinations: each is fitted once an inner fold of each outer fold."""

INTENDED_USE = "Research, paper trading and demonstrations on the instruments and the timeframe that it was trained on."
"""On the card of a recipe that says nothing else."""

_ALLOWED_TRANSFORMS = {
    "forward_return": TRANSFORMS,
    "sign": ("none",),
    "forward_sharpe": ("none", "winsorized"),
    "triple_barrier": ("none",),
}


@dataclass(frozen=True, slots=True)
class Barriers:
    """Of the triple-barrier label: which comes first, and what a row is that reaches none.

    Parameters
    ----------
    up, down
        Distance in units of ``realized_vol * sqrt(horizon_bars)``, touched by closes: a gold row has no high and low.
    at_time
        Label at the horizon where none was touched: the sign of the move, or zero, which is for research.
    """

    up: float = 1.0
    down: float = 1.0
    at_time: str = "sign"


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """What is predicted.

    Parameters
    ----------
    horizon_bars
        Rows of the symbol to the end of the label.
    target
        ``forward_return``: log return. ``sign``: 1 where it is positive. ``forward_sharpe``: mean of the returns of the
        bars over their deviation. ``triple_barrier``: 1, -1 or 0. ``offline.datasets.learned`` says what of each is
        learned.
    transform
        ``vol_scaled``: in units of ``realized_vol * sqrt(horizon_bars)``; ``winsorized``: cut at ``winsor_limit`` of
        these units (of a Sharpe: as it is). The limit is a number and no quantile of the rows, which would have to
        be learnt inside each fold. Default: ``vol_scaled`` for a return, else ``none``.
    stretch_max
        A horizon that takes this times its bars, or more, is void: rows are missing. Closed hours do not count, and a
        daily bar is a session.
    over_closed_hours
        Whether a horizon may run over nights, weekends, holidays and breaks. Unless said otherwise: of daily bars,
        which are made of them; within a session a night is another event than the one that is predicted.
    """

    horizon_bars: int
    target: str = "forward_return"
    transform: str = ""
    winsor_limit: float = 4.0
    barriers: Barriers | None = None
    stretch_max: float = STRETCH_MAX
    over_closed_hours: bool | None = None

    def __post_init__(self) -> None:
        """Fill what follows from the target, and refuse what does not fit it; raises ConfigError."""
        is_return, is_barrier = self.target == "forward_return", self.target == "triple_barrier"
        if not self.transform:
            object.__setattr__(self, "transform", "vol_scaled" if is_return else "none")
        allowed = _ALLOWED_TRANSFORMS[self.target]
        if self.transform not in allowed:
            raise ConfigError("recipe", "transform", self.transform, f"of {self.target}: {' or '.join(allowed)}")
        if self.barriers is not None and not is_barrier:
            raise ConfigError("recipe", "barriers", self.target, "only with target: triple_barrier")
        if is_barrier and self.barriers is None:
            object.__setattr__(self, "barriers", Barriers())
        if self.target == "forward_sharpe" and self.horizon_bars < 2:
            raise ConfigError("recipe", "horizon_bars", self.horizon_bars, "2 or more: one return has no deviation")


@dataclass(frozen=True, slots=True)
class UniverseSpec:
    """Whose rows are learnt from.

    Parameters
    ----------
    symbols, asset_classes, roots
        A symbol is in if one of them names it; roots stand for all contracts. All symbols where none is given.
    min_history_bars
        A row with fewer rows of its symbol before it is no sample.
    """

    timeframe: str
    symbols: tuple[str, ...] = ()
    asset_classes: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    min_history_bars: int = 0

    def __post_init__(self) -> None:
        """Refuse unknown words; raises ConfigError."""
        if self.timeframe not in TIMEFRAMES:
            raise ConfigError("recipe", "timeframe", self.timeframe, f"one of {', '.join(TIMEFRAMES)}")
        for name in self.asset_classes:
            if name not in ASSET_CLASSES:
                raise ConfigError("recipe", "asset_classes", name, f"one of {', '.join(ASSET_CLASSES)}")


@dataclass(frozen=True, slots=True)
class Transformation:
    """Further columns made of inputs, within a symbol, from rows at or before.

    Parameters
    ----------
    kind
        ``lag``: the value some bars before; ``difference``: less that; ``zscore``: distance from the mean of a window
        in its deviations; ``rank``: mean rank in the window, as a share.
    features
        Names of inputs, without ``features.``.
    bars
        Of lag and difference: one column each. Of zscore and rank: the windows.
    """

    kind: str
    features: tuple[str, ...]
    bars: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse a window of one bar; raises ConfigError."""
        least = 2 if self.kind in WINDOWED else 1
        if min(self.bars) < least:
            raise ConfigError("recipe", "bars", min(self.bars), f"{least} or more for {self.kind}")


@dataclass(frozen=True, slots=True)
class Encoder:
    """A category of the instrument as the mean target of its rows, fitted on what each fold learns from.

    Parameters
    ----------
    category
        Of the instruments file.
    smoothing
        Rows of the mean of all that are added to each category.
    """

    category: str
    smoothing: float = 100.0

    @property
    def input(self) -> str:
        """Name of its column."""
        return f"category({self.category})"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which estimator, with what of its own.

    Parameters
    ----------
    params
        Parameter -> value; a list is the value of a parameter that is one.
    grid
        Parameter -> values that nested tuning chooses from.
    """

    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what the estimator would refuse once all rows are read.

        Raises
        ------
        ConfigError
            A parameter or a value is not the kind's, one is in both, or there are too many combinations. Its key is
            that below ``model``, such as ``params.num_leaves``.
        """
        kinds.kind_of(self.kind)
        for name in self.grid:
            if name in self.params:
                raise ConfigError("model", f"grid.{name}", self.params[name], "in params or in grid, not in both")
        n = prod(len(values) for values in self.grid.values())
        if not 1 <= n <= GRID_MAX:
            raise ConfigError("model", "grid", f"{n} combinations", f"1 to {GRID_MAX}")
        for one in self.combinations():
            try:
                kinds.parameters_of(self.kind, one)
            except ConfigError as e:
                where = "grid" if e.key in self.grid else "params"
                raise ConfigError("model", f"{where}.{e.key}", e.value, e.remedy) from None

    def combinations(self) -> list[dict[str, Any]]:
        """Return the parameters of each combination of the grid, the last name of it running fastest."""
        chosen = product(*self.grid.values())
        return [{**self.params, **dict(zip(self.grid, values, strict=True))} for values in chosen]

    def candidates(self) -> list["ModelSpec"]:
        """Return a model without a grid for each combination; the model itself where it has none."""
        return [ModelSpec(self.kind, one) for one in self.combinations()] if self.grid else [self]

    def meaning(self, coverage: float) -> dict[str, Any]:
        """Return what the model means, defaults filled in.

        Parameters
        ----------
        coverage
            Of the interval, which the kinds' quantiles take where ``params`` has none.
        """
        whole = asdict(kinds.parameters_of(self.kind, {"coverage": coverage, **self.params}))
        told: dict[str, Any] = {"kind": self.kind, "params": {k: v for k, v in whole.items() if k not in self.grid}}
        return told | ({"grid": dict(self.grid)} if self.grid else {})


@dataclass(frozen=True, slots=True)
class ValidationSpec:
    """How rows are split over time.

    Parameters
    ----------
    folds
        That judge; of combinatorial and kfold: folds of the whole.
    test_folds
        Of combinatorial: held out together.
    embargo_bars
        Bars kept clear beside a test window, beyond the purge of overlapping labels.
    expanding
        Of walk_forward and nested: training begins at the first row.
    inner_folds
        Of nested: folds of the tuning inside each training window.
    """

    scheme: str = "walk_forward"
    folds: int = 5
    test_folds: int = 2
    embargo_bars: int = 60
    expanding: bool = True
    inner_folds: int = 3

    def __post_init__(self) -> None:
        """Refuse numbers that leave no row to train on; raises ConfigError."""
        if self.scheme == "combinatorial" and not 2 <= self.test_folds < self.folds:
            raise ConfigError("recipe", "test_folds", self.test_folds, f"2 or more, fewer than the {self.folds} folds")
        splits = comb(self.folds, self.test_folds)
        if self.scheme == "combinatorial" and splits > SPLITS_MAX:
            remedy = f"fewer: {self.test_folds} at a time are {splits:,} splits, each a model; at most {SPLITS_MAX:,}"
            raise ConfigError("recipe", "folds", self.folds, remedy)


@dataclass(frozen=True, slots=True)
class CalibrationSpec:
    """How a score becomes a probability."""

    method: str = "platt"


@dataclass(frozen=True, slots=True)
class ConformalSpec:
    """How wide the interval is: method, share of moves that it shall hold, and whether it follows its own misses."""

    method: str = "cqr"
    coverage: float = 0.9
    adaptive: bool = True


@dataclass(frozen=True, slots=True)
class Quality:
    """Which rows of poor data are no samples; they stay rows, which windows reach back over.

    Parameters
    ----------
    drop_stale, drop_gap
        Rows of stale ticks, and rows whose bar lacks ticks that the feed sent.
    outlier_frac_max
        Largest share of cut ticks.
    """

    drop_stale: bool = True
    drop_gap: bool = False
    outlier_frac_max: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelRecipe:
    """Everything that decides what a model is, but the rows.

    Parameters
    ----------
    recipe_id
        Its name, no part of its meaning.
    feature_packs, extra_features, include, exclude
        As ``offline.recipes.features.resolve`` takes them.
    regime_model
        Rows whose regime is another model's are left out.
    missing
        Of inputs with the policy ``optional``: ``keep`` nulls, which the model fills, or ``drop`` such samples.
    intended_use, limits
        What people say of it on its card: what it is for, and what it cannot do. No part of its meaning.
    places
        Key -> file and line, for errors that are found later.
    """

    recipe_id: str
    label: LabelSpec
    universe: UniverseSpec
    model: ModelSpec
    feature_packs: tuple[str, ...] = ()
    extra_features: tuple[str, ...] = ()
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    transformations: tuple[Transformation, ...] = ()
    encoders: tuple[Encoder, ...] = ()
    regime_model: str = "bocpd"
    missing: str = "keep"
    quality: Quality = Quality()
    validation: ValidationSpec = ValidationSpec()
    calibration: CalibrationSpec = CalibrationSpec()
    conformal: ConformalSpec = ConformalSpec()
    seed: int = 1
    intended_use: str = INTENDED_USE
    limits: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse features, patterns and transformations that mean nothing; raises ConfigError."""
        if self.universe.timeframe == SESSION and self.label.over_closed_hours is False:
            raise ConfigError(
                self.place("label_spec"), "over_closed_hours", "false", "true: a daily bar ends with a session"
            )
        resolved = self.resolved()
        known = [i.name.removeprefix("features.") for i in resolved.inputs]
        for step in self.transformations:
            for name in step.features:
                if name not in known:
                    raise ConfigError("recipe", "transformations", name, "an input of the recipe, one that its packs, "
                                      "extra_features and patterns leave")  # fmt: skip
        names = [i.name for i in self.inputs()]
        for name in names:
            if names.count(name) > 1:
                key = "encoders" if name.startswith("category(") else "transformations"
                raise ConfigError("recipe", key, name, "each column once")

    @property
    def over_closed_hours(self) -> bool:
        """Whether a horizon may run over closed hours."""
        asked = self.label.over_closed_hours
        return self.universe.timeframe == SESSION if asked is None else asked

    def resolved(self) -> Resolved:
        """Return the features, packs and plain inputs of the recipe."""
        return resolve(self.feature_packs, self.extra_features, self.include, self.exclude)

    def inputs(self) -> tuple[Input, ...]:
        """Return the columns of ``x``: the plain inputs, those of each transformation, those of the encoders."""
        plain = self.resolved().inputs
        scale = {i.name.removeprefix("features."): i.scale for i in plain}
        full = {i.name.removeprefix("features."): i.name for i in plain}
        made = [
            Input(f"{step.kind}_{bars}({full[name]})", scale[name])
            for step in self.transformations
            for name in step.features
            for bars in step.bars
        ]
        return (*plain, *made, *(Input(e.input, "raw") for e in self.encoders))

    def meaning(self) -> dict[str, Any]:
        """Return what the recipe means, in words of JSON: defaults filled in, features by their rows."""
        resolved = self.resolved()
        label, universe = asdict(self.label), asdict(self.universe)
        if self.label.transform != "winsorized":
            label.pop("winsor_limit")
        label["over_closed_hours"] = self.over_closed_hours
        for key in ("symbols", "asset_classes", "roots"):
            universe[key] = sorted(universe[key])
        validation = asdict(self.validation)
        if self.validation.scheme != "combinatorial":
            validation.pop("test_folds")
        if self.validation.scheme != "nested":
            validation.pop("inner_folds")
        if self.validation.scheme not in {"walk_forward", "nested"}:
            validation.pop("expanding")
        return {
            "features": [asdict(f) for f in resolved.features],
            "inputs": [[i.name, i.scale] for i in self.inputs()],
            "packs": sorted(p.ref for p in (*resolved.packs, *([resolved.cross_pack] if resolved.cross_pack else []))),
            "encoders": [asdict(e) for e in self.encoders],
            "warm_by": resolved.packs[0].ref,
            "label": label,
            "universe": universe,
            "model": self.model.meaning(self.conformal.coverage),
            "regime_model": self.regime_model,
            "missing": self.missing,
            "quality": asdict(self.quality),
            "validation": validation,
            "calibration": asdict(self.calibration),
            "conformal": asdict(self.conformal),
            "seed": self.seed,
        }

    @property
    def hash(self) -> str:
        """SHA-256 of the meaning, hexadecimal."""
        return digest(self.meaning())

    def place(self, key: str) -> str:
        """Return file and line of a key such as ``model.params.hidden``; the recipe's name where it has none."""
        while key and key not in self.places:
            key = key.rpartition(".")[0]
        return self.places.get(key, f"recipe {self.recipe_id}")


def digest(meaning: Any) -> str:
    """Return the SHA-256 of what something means: 1 and 1.0 are the same, and so are keys in any order."""
    text = json.dumps(_plain(meaning), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def check_tuning(recipe: ModelRecipe) -> None:
    """Refuse tuning without candidates, and candidates that nothing chooses from.

    Raises
    ------
    ConfigError
        Its key is that of the recipe.
    """
    nested, grid = recipe.validation.scheme == "nested", recipe.model.grid
    if nested and not grid:
        raise ConfigError("recipe", "validation.scheme", "nested",
                          "with model.grid, such as grid: {num_leaves: [7, 15]}: without one nothing is tuned, take "
                          "walk_forward")  # fmt: skip
    if grid and not nested:
        remedy = "only with validation: {scheme: nested}, which chooses inside each training window"
        raise ConfigError("recipe", "model.grid", ", ".join(grid), remedy)


def check_servable(recipe: ModelRecipe) -> None:
    """Refuse a recipe whose inputs or label a signal cannot have: called before a model is exported.

    Raises
    ------
    ConfigError
        It has transformations or encoders, which no stage computes, features of the cross-section, which score does
        not join, or barriers with a third outcome, which no signal tells.
    """
    if recipe.encoders:
        raise ConfigError(
            recipe.place("encoders"), "encoders", ", ".join(e.category for e in recipe.encoders),
            "leave them out to export: a gold row has no column of the category",
        )  # fmt: skip
    if recipe.transformations:
        columns = ", ".join(f"{s.kind} of {', '.join(s.features)}" for s in recipe.transformations)
        raise ConfigError(
            recipe.place("transformations"), "transformations", columns,
            "leave them out to export: a model with lags is served only where the score stage can compute them, and it "
            f"computes none; a window model ({', '.join(WINDOW_KINDS)}) reads the rows before by itself",
        )  # fmt: skip
    barriers = recipe.label.barriers
    if barriers is not None and barriers.at_time == "zero":
        raise ConfigError(
            recipe.place("label_spec.barriers.at_time"), "at_time", "zero",
            "at_time: sign to export: whether a barrier will be touched is not known at the row, and a signal has one "
            "probability, up or not",
        )  # fmt: skip
    cross = recipe.resolved().cross_pack
    if cross is not None:
        raise ConfigError(
            recipe.place("extra_features"), "features", cross.pack_id,
            "features of gold.v1 to export: score holds no row back for the cross-section",
        )  # fmt: skip
