"""The regime stage and feature rows for it."""

from collections.abc import Callable

import numpy as np
import pytest

from processors.regime.config import MODELS, RegimeConfig
from processors.regime.stage import Regime
from processors.runtime.batch import Columns
from processors.runtime.layout import layout_of
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry

MakeRows = Callable[..., Columns]


def make_rows(n: int, seed: int = 0, *, symbol: str = "EURUSD:FX", tf: str = "1m") -> Columns:
    """Return n feature rows, every column filled with values of its own; the returns change their law twice."""
    rng = np.random.default_rng(seed)
    rows = Columns.empty(layout_of(load_registry().current("features.v1").schema), n)
    rows.ints[:] = rng.integers(0, 2, rows.ints.shape)
    rows.floats[:] = rng.normal(size=rows.floats.shape)
    rows.floats[rng.random(rows.floats.shape) < 0.05] = np.nan
    rows["ts"] = 1_400_000_000_000_000_000 + 60_000_000_000 * np.cumsum(rng.integers(1, 4, n))
    rows["raw_offset"] = rng.integers(0, 1 << 40, n)
    rows["symbol_id"], rows["tf"] = STRINGS.code(symbol), STRINGS.code(tf)
    rows["pack_id"], rows["pack_hash"] = STRINGS.code("core_value_v1"), STRINGS.code(f"hash{seed}")
    third = np.arange(n) * 3 // max(n, 1)
    returns = rng.normal(np.choose(third, [0, 2e-4, 0]), np.choose(third, [1e-4, 1e-4, 4e-4]))
    returns[0] = np.nan
    returns[rng.random(n) < 0.03] = np.nan
    rows["features.log_return_1"] = returns
    rows["features.bar_range_ratio"] = np.abs(returns) + np.abs(rng.normal(0, 1e-4, n)) * (rng.random(n) > 0.1)
    return rows


@pytest.fixture(name="make_rows", scope="session")
def _make_rows() -> MakeRows:
    return make_rows


@pytest.fixture(scope="session", params=MODELS)
def stage(request: pytest.FixtureRequest) -> Regime:
    """Return the stage with each of its models."""
    return Regime(RegimeConfig(model=request.param))
