"""Parameters of the kinds that read a row of the table; no library is imported to check them."""

import math
from dataclasses import dataclass
from typing import Any

from offline.models.parameters import within
from processors.errors import ConfigError

_INF = math.inf


@dataclass(frozen=True, slots=True)
class LinearParameters:
    """What the lines are fitted with.

    Parameters
    ----------
    penalties
        Half squared weights beside the mean loss, from strong to weak; the samples to stop on choose, and where there
        are none the first one holds.
    coverage
        Nominal share of moves between the low and the high quantile.
    """

    penalties: tuple[float, ...] = (1.0, 0.1, 0.01, 0.001)
    coverage: float = 0.9

    def __post_init__(self) -> None:
        """Refuse what has no single best line."""
        if not self.penalties:
            raise ConfigError("model linear", "penalties", self.penalties, "one or more")
        for penalty in self.penalties:
            within("model linear", "penalties", penalty, 1e-9, 1e9)
        within("model linear", "coverage", self.coverage, 0.01, 0.999)


@dataclass(frozen=True, slots=True)
class LgbmParameters:
    """What the boosters learn with, in LightGBM's own words but for the first four.

    Parameters
    ----------
    rounds
        Most trees of a booster.
    patience
        Rounds without a better loss on the samples to stop on; 0 takes all rounds.
    coverage
        Nominal share of moves between the low and the high quantile.
    threads
        One: what is trained beside it has the other cores, and sums keep one order.
    num_leaves, learning_rate, min_data_in_leaf
        Shallow, slow and heavily averaged: some thousand overlapping labels hold little to learn.
    """

    rounds: int = 400
    patience: int = 40
    coverage: float = 0.9
    threads: int = 1
    num_leaves: int = 15
    max_depth: int = -1
    learning_rate: float = 0.03
    min_data_in_leaf: int = 60
    feature_fraction: float = 0.7
    bagging_fraction: float = 0.7
    bagging_freq: int = 1
    lambda_l1: float = 0.0
    lambda_l2: float = 5.0
    min_gain_to_split: float = 0.0
    max_bin: int = 255

    def __post_init__(self) -> None:
        """Refuse what LightGBM cannot learn with."""
        for name, low, high in (
            ("rounds", 1, 100_000), ("patience", 0, _INF), ("coverage", 0.01, 0.999), ("threads", 1, 1024),
            ("num_leaves", 2, 131_072), ("max_depth", -1, 1000), ("learning_rate", 1e-6, 1.0),
            ("min_data_in_leaf", 1, _INF), ("feature_fraction", 1e-3, 1.0), ("bagging_fraction", 1e-3, 1.0),
            ("bagging_freq", 0, _INF), ("lambda_l1", 0, _INF), ("lambda_l2", 0, _INF),
            ("min_gain_to_split", 0, _INF), ("max_bin", 2, 65_535),
        ):  # fmt: skip
            within("model lgbm", name, getattr(self, name), low, high)

    def booster(self, seed: int) -> dict[str, Any]:
        """Return the parameters of a booster: the same bytes on every run."""
        ours = ("rounds", "patience", "coverage", "threads")
        own = {name: getattr(self, name) for name in self.__slots__ if name not in ours}
        fixed = {
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.threads,
            "seed": seed,
            "verbose": -1,
        }
        return own | fixed


@dataclass(frozen=True, slots=True)
class XgbParameters:
    """What the boosters learn with, in XGBoost's own words but for the first four.

    Parameters
    ----------
    rounds, patience, coverage, threads
        As of LightGBM.
    max_depth, eta, min_child_weight
        Shallow, slow and heavily averaged: some thousand overlapping labels hold little to learn. The weight of a leaf
        is that of its second derivatives, a quarter of its rows for a probability.
    """

    rounds: int = 400
    patience: int = 40
    coverage: float = 0.9
    threads: int = 1
    max_depth: int = 4
    eta: float = 0.03
    min_child_weight: float = 15.0
    subsample: float = 0.7
    colsample_bytree: float = 0.7
    reg_alpha: float = 0.0
    reg_lambda: float = 5.0
    gamma: float = 0.0
    max_bin: int = 256

    def __post_init__(self) -> None:
        """Refuse what XGBoost cannot learn with."""
        for name, low, high in (
            ("rounds", 1, 100_000), ("patience", 0, _INF), ("coverage", 0.01, 0.999), ("threads", 1, 1024),
            ("max_depth", 1, 30), ("eta", 1e-6, 1.0), ("min_child_weight", 0, _INF), ("subsample", 1e-3, 1.0),
            ("colsample_bytree", 1e-3, 1.0), ("reg_alpha", 0, _INF), ("reg_lambda", 0, _INF), ("gamma", 0, _INF),
            ("max_bin", 2, 65_535),
        ):  # fmt: skip
            within("model xgb", name, getattr(self, name), low, high)

    def booster(self, seed: int) -> dict[str, Any]:
        """Return the parameters of a booster: the same bytes on every run."""
        ours = ("rounds", "patience", "coverage", "threads")
        own = {name: getattr(self, name) for name in self.__slots__ if name not in ours}
        return own | {"tree_method": "hist", "nthread": self.threads, "seed": seed, "verbosity": 0}
