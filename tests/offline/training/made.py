"""Made-up training sets: two symbols, a signal that can be learnt or none, and a market that may grow wild."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from offline.datasets.training_set import Meta, TrainingSet
from offline.recipes.reading import read_recipe
from offline.recipes.recipe import ModelRecipe, ModelSpec, ValidationSpec
from processors.score.inputs import Input
from schemas.features import FOUNDING_PACK, load_pack

EXAMPLES = Path(__file__).parents[3] / "offline" / "recipes" / "examples"
MINUTE = 60_000_000_000
START = 1_700_000_000_000_000_000 // MINUTE * MINUTE
HORIZON = 15
N_INPUTS = 6


def recipe_of(kind: str, folds: int = 3, **params: object) -> ModelRecipe:
    """Return an example's recipe with fewer folds and an embargo of a few bars."""
    found = read_recipe(EXAMPLES / f"fx_{kind}.yaml")
    return replace(
        found, model=ModelSpec(kind, params or dict(found.model.params)),
        validation=ValidationSpec("walk_forward", folds, embargo_bars=5),
    )  # fmt: skip


def made(n: int = 2_000, signal: float = 0.6, wild_from: float = 2.0, seed: int = 3) -> TrainingSet:
    """Return n rows of each of two symbols; every row is a sample.

    Parameters
    ----------
    signal
        How much of a move the first input tells.
    wild_from
        Share of the rows from which on moves are three times as large as the volatility says; 2: never.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2 * n, N_INPUTS)).astype(np.float32)
    grown = np.where(np.tile(np.arange(n), 2) >= wild_from * n, 3.0, 1.0)
    move = (signal * x[:, 0] + np.sqrt(1.0 - signal**2) * rng.standard_normal(2 * n)) * grown
    ts = np.tile(START + np.arange(n) * MINUTE, 2)
    symbol = np.repeat(np.arange(2), n)
    at = np.lexsort((symbol, ts))
    end = (ts + HORIZON * MINUTE)[at]
    # Prices know nothing of the moves: they stand for a market in which nobody earns.
    close = 1.1 * np.exp(1e-4 * np.random.default_rng(seed + 1).standard_normal((2, n)).cumsum(axis=1)).ravel()
    unknown = np.full(2 * n, np.nan)
    pack = load_pack(FOUNDING_PACK)
    meta = Meta(
        "made", "0" * 64, pack.pack_id, pack.hash, (pack.ref,), "1m", HORIZON, "forward_return", "vol_scaled", "made:1",
    )  # fmt: skip
    return TrainingSet(
        tuple(Input(f"features.x{j}", "raw") for j in range(N_INPUTS)), ("EURUSD:FX", "NZDUSD:FX"),
        ("trend", "meanrev", "stress"), x, symbol, ts, rng.integers(0, 3, 2 * n), np.full(2 * n, 1e-4),
        np.full(2 * n, 0.2), close, close.copy(), unknown, unknown, at, end, end.copy(), move[at], move[at],
        (move[at] > 0).astype(float), move[at], meta,
    ).stamped()  # fmt: skip


def rest(seconds: float, _progress: object) -> float:
    """Return after some seconds, as a fit that takes so long."""
    time.sleep(seconds)
    return seconds


def plus(shared: list[float], item: float, _progress: object) -> float:
    """Return an item and the first of what is shared, added up."""
    return shared[0] + item
