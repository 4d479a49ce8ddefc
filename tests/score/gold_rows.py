"""Gold rows made up for tests: prices that walk, features that know a little of the next move."""

import numpy as np

from processors.runtime.batch import Columns
from processors.runtime.layout import layout_of
from processors.runtime.strings import STRINGS
from schemas.features import FOUNDING_PACK, load_pack
from schemas.registry import load_registry
from schemas.timeframes import TIMEFRAME_NS

PACK = load_pack(FOUNDING_PACK)
START_NS = 1_399_000_000_000_000_000


def gold_layout():
    """Return the layout of the current gold row."""
    return layout_of(load_registry().current("gold.v1").schema)


def make_gold(n, *, symbol="EURUSD:FX", tf="1m", seed=0, start_ns=START_NS, skill=0.5):
    """Return n warm rows of one symbol and timeframe, with the founding pack; every feature differs from every other.

    The first feature is the sign of the next 15 moves, seen through noise: more of it with more skill.
    """
    rng = np.random.default_rng(seed)
    gold = Columns.empty(gold_layout(), n)
    step = 6e-5 * rng.standard_normal(n + 16)
    log_price = np.cumsum(step)
    ahead = log_price[15 : 15 + n] - log_price[:n]
    gold.floats[:] = np.nan
    features = [f"features.{f.name}" for f in PACK.features]
    for name in features:
        gold[name] = rng.standard_normal(n)
    gold[features[0]] = skill * ahead / 6e-5 + rng.standard_normal(n)
    gold["features.volume_ratio_20"] = gold["features.adv_share_value"] = np.nan
    gold["ts"] = start_ns + (1 + np.arange(n)) * TIMEFRAME_NS[tf]
    gold["symbol_id"] = STRINGS.code(symbol)
    gold["tf"] = STRINGS.code(tf)
    gold["warm"] = 1
    gold["meta.close"] = 1.38 * np.exp(log_price[:n])
    gold["meta.volume"] = 0.0
    gold["meta.spread_bp"] = rng.uniform(0.05, 0.15, n)
    gold["meta.adv_pct"] = np.nan
    gold["meta.realized_vol"] = rng.uniform(5e-5, 7e-5, n)
    gold["regime.label"] = rng.integers(0, 3, n)
    for j, name in enumerate(("p_trend", "p_meanrev", "p_stress")):
        gold[f"regime.{name}"] = np.where(gold["regime.label"] == j, 0.8, 0.1)
    gold["regime.run_length"] = rng.uniform(1, 50, n)
    gold["regime.change_prob"] = rng.uniform(0, 0.2, n)
    gold["regime.hazard"] = rng.uniform(0.01, 0.05, n)
    gold["quality.n_src"] = 2.0
    gold["quality.lat_ms"] = 3.0
    gold["pack_id"], gold["pack_hash"] = STRINGS.code(PACK.pack_id), STRINGS.code(PACK.hash)
    gold["packs"] = STRINGS.array_code((PACK.ref,))
    gold["drifted"] = STRINGS.array_code(())
    gold["raw_offset"] = np.arange(n) * 7
    gold.offset = np.arange(n)
    return gold


def concat(*parts):
    """Return the rows of several tables, one after another."""
    ints, floats = (np.concatenate(m, axis=1) for m in zip(*((p.ints, p.floats) for p in parts), strict=True))
    return Columns(parts[0].layout, ints, floats)
