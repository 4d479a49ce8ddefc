"""The strategy file as it is read: universe, features in the words of traders, models, risk, costs, guards.

Training, live decisions, paper trading and backtests read the same one. Here its features become names of the catalog,
and its models the recipes that train them.
"""

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

from offline.models import kinds
from offline.recipes.catalog_names import CROSS_FLAGS, CURVE_FLAGS, SPREADS, Numbers, features_of, momentum
from offline.recipes.recipe import ConformalSpec, LabelSpec, ModelRecipe, ModelSpec, UniverseSpec, digest
from processors.errors import ConfigError
from processors.score.config import SLIPPAGE_MODEL, ScoreConfig
from processors.yaml_reader import near
from schemas.instruments import ASSET_CLASSES, load_instruments
from schemas.registry import ROOT

ROLL_METHODS = ("none", "unadjusted", "back_adjusted", "back_difference", "back_ratio", "forward_difference",
                "forward_ratio")  # fmt: skip
"""How prices run on through rolls: those of ``processors.futures.continuous``; back_adjusted is back_difference."""
TABULAR, DEEP = kinds.kinds_in(kinds.TABULAR), kinds.kinds_in(kinds.DEEP)
ENSEMBLES = ("thompson_bandit", "mean")
_VENUES = {"NYM": "NYMEX", "CMX": "COMEX", "CBT": "CBOT"}
"""Venue of a symbol -> that of the table of rules, where they differ."""


@dataclass(frozen=True, slots=True)
class StrategyFeatures:
    """What the strategy looks at, in its own words.

    Parameters
    ----------
    ts
        Indicator -> its parameters, one tuple for each feature; an empty one for an indicator without.
    momentum_months, cross
        Of the cross-section: months, and the flags that are on.
    spreads, curve
        Of the futures curve, empty where ``use`` is false.
    """

    ts: Mapping[str, tuple[Numbers, ...]] = field(default_factory=dict)
    momentum_months: tuple[int, ...] = ()
    cross: tuple[str, ...] = ()
    spreads: tuple[str, ...] = ()
    curve: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Return the features of the catalog, each once, in the order of the file.

        Raises
        ------
        ConfigError
            An indicator has no feature with these parameters; the key is the indicator.
        """
        found = [f.name for word, sets in self.ts.items() for numbers in sets for f in features_of(word, numbers)]
        found += [momentum(months) for months in self.momentum_months]
        found += [name for flag in self.cross for name in CROSS_FLAGS[flag]]
        found += [name for flag in self.curve for name in CURVE_FLAGS[flag]]
        found += [SPREADS[spread] for spread in self.spreads]
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Ensemble:
    """How the models are weighed: ``decay`` forgets what the bandit saw, each time by this factor."""

    type: str
    decay: float = 0.95


@dataclass(frozen=True, slots=True)
class Models:
    """Members of the strategy; at least one of both."""

    tabular: ModelSpec | None = None
    deep: ModelSpec | None = None
    ensemble: Ensemble | None = None

    def __post_init__(self) -> None:
        """Refuse a strategy without a model; raises ConfigError."""
        if self.tabular is None and self.deep is None:
            raise ConfigError("strategy", "tabular", None, "tabular, deep or both")


@dataclass(frozen=True, slots=True)
class Risk:
    """Limits of a position; see ``processors.score.config``."""

    vol_target: float = 0.12
    kelly_fraction: float = 0.35
    max_nav_per_symbol: float = 0.05
    max_adv_share: float = 0.02


@dataclass(frozen=True, slots=True)
class Slippage:
    """Basis points a side for trading one whole average daily volume, linear in the share."""

    model: str = SLIPPAGE_MODEL
    bps_per_adv_share: float = 30.0


@dataclass(frozen=True, slots=True)
class Costs:
    """Fee a side in basis points of the traded value, and slippage."""

    fee_bps: float = 1.0
    slippage: Slippage = Slippage()


@dataclass(frozen=True, slots=True)
class Guards:
    """Age of a row past which nothing is done, and the loss of a day, as a share of NAV, that stops trading."""

    stale_threshold_s: float = 10.0
    dd_kill_intraday: float = 0.05


@dataclass(frozen=True, slots=True)
class Strategy:
    """One strategy.

    Parameters
    ----------
    strategy_id
        The name of its file, no part of its meaning.
    universe
        Symbols, and roots of futures, which stand for their contracts.
    """

    strategy_id: str
    universe: tuple[str, ...]
    timeframe: str
    horizon_bars: int
    features: StrategyFeatures
    models: Models
    roll_method: str = "none"
    regime_model: str = "bocpd"
    risk: Risk = Risk()
    costs: Costs = Costs()
    guards: Guards = Guards()
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def recipes(self) -> tuple[ModelRecipe, ...]:
        """Return a recipe for each model: the tabular one first."""
        roots = tuple(name for name in self.universe if is_root(name))
        symbols = tuple(name for name in self.universe if name not in roots)
        label = LabelSpec(self.horizon_bars)
        universe = UniverseSpec(self.timeframe, symbols, (), roots)
        # The other models write no probabilities of the hidden Markov model.
        exclude = () if self.regime_model == "hmm" else ("regime.hmm_*",)
        return tuple(
            ModelRecipe(
                f"{self.strategy_id}_{model.kind}", label, universe, model,
                extra_features=self.features.names(), exclude=exclude, regime_model=self.regime_model,
                places=self.places,
            )
            for model in (self.models.tabular, self.models.deep) if model is not None
        )  # fmt: skip

    def score_config(self) -> ScoreConfig:
        """Return the risk and costs of the decision with this strategy's, whatever the asset class."""
        risk, costs = self.risk, self.costs
        return replace(
            ScoreConfig.from_environment(), vol_target_annual=risk.vol_target, kelly_fraction=risk.kelly_fraction,
            max_nav_per_symbol=risk.max_nav_per_symbol, max_adv_share=risk.max_adv_share,
            fee_bps=dict.fromkeys(ASSET_CLASSES, costs.fee_bps),
            slippage_bps_per_adv_share=costs.slippage.bps_per_adv_share,
        )  # fmt: skip

    def meaning(self) -> dict[str, Any]:
        """Return what the strategy means, in words of JSON: features by their names in the catalog."""
        told = asdict(replace(self, places={}))
        coverage = ConformalSpec().coverage
        for slot, model in (("tabular", self.models.tabular), ("deep", self.models.deep)):
            told["models"][slot] = model and model.meaning(coverage)
        for key in ("strategy_id", "places"):
            told.pop(key)
        method = "back_difference" if self.roll_method == "back_adjusted" else self.roll_method
        return told | {
            "roll_method": method, "universe": sorted(self.universe), "features": sorted(self.features.names()),
        }  # fmt: skip

    @property
    def hash(self) -> str:
        """SHA-256 of the meaning, hexadecimal."""
        return digest(self.meaning())


@cache
def _ruled() -> frozenset[tuple[str, str]]:
    """Return root and venue of every future that the table of rules knows."""
    with (ROOT / "reference" / "futures_rules.csv").open(newline="") as f:
        return frozenset((row["root"], row["venue"]) for row in csv.DictReader(f))


def is_root(name: str) -> bool:
    """Return whether a name such as ``CL:NYM`` stands for the contracts of a root."""
    if any(r.asset_class == "future" and r.partition_key == name for r in load_instruments().rows):
        return True
    if name in load_instruments().by_symbol:
        return False
    root, _, venue = name.partition(":")
    return (root, _VENUES.get(venue, venue)) in _ruled()


def unknown(universe: UniverseSpec) -> list[str]:
    """Return a sentence for each symbol and root that is not among the instruments of this machine."""
    rows = load_instruments().rows
    symbols, roots = [r.symbol_id for r in rows], sorted({r.partition_key for r in rows})
    told = []
    for kind, names, known in (("symbol", universe.symbols, symbols), ("root", universe.roots, roots)):
        told += [f"{kind} {n} is not among the instruments{near(n, known)}" for n in names if n not in known]
    return told
