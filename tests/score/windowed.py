"""A model that reads windows, small enough for tests: a network that nobody trained, with a whole card."""

import numpy as np

from offline.export.fold import fold
from offline.export.head import Head, PlattCurve
from offline.models.deep.fitted import DeepFitted
from offline.models.deep.nbeats import NbeatsParameters
from offline.models.deep.scaling import fit_scaling
from offline.models.deep.tft import TftParameters
from processors.runtime.batch import Columns
from processors.runtime.state import as_records
from processors.score.inputs import Input, input_matrix
from processors.score.kernel import in_order
from processors.score.model import Model, ModelCard
from processors.score.score import fates, in_order_rows, in_window
from processors.score.window import Windows, spread, windows_of
from processors.times import LONG_AGO
from schemas.instruments import load_instruments

BARS = 6
NAMES = (
    "features.rsi_14_value", "meta.spread_bp", "features.adv_share_value", "regime.p_trend", "regime.run_length",
)  # fmt: skip


def windowed_bytes(gold, kind="tft", *, bars=BARS, pack, trained_until_ns=0, names=NAMES, seed=5):
    """Return the file of a model of windows of a gold table's rows."""
    inputs = tuple(Input(name, "raw") for name in names)
    if kind == "tft":
        parameters = TftParameters(window_bars=bars, hidden=8, heads=2)
    else:
        parameters = NbeatsParameters(window_bars=bars, width=16, channels=3)
    params = parameters.initial(len(inputs) + 1, seed) | fit_scaling(input_matrix(gold, inputs))
    fitted = DeepFitted(parameters, params)
    ones = {"1m": (1.5, 1.6, 1.7), "5m": (1.4, 1.3, 1.2)}
    card = ModelCard(
        name=kind, inputs=inputs, required=("meta.spread_bp",), pack_id=pack[0], pack_hash=pack[1],
        horizon_bars={"1m": 15, "5m": 3}, regimes=("trend", "meanrev", "stress"), gain_vols=ones, loss_vols=ones,
        residual_quantiles={}, coverage=0.9, calibration=(0.9, 0.05), kind=kind, recipe_id="r", recipe_hash="h",
        data_snapshot_id="3", calibration_method="platt", conformal_method="cqr",
        trained_until_ns=trained_until_ns, seed=seed, dataset_sha256="ab" * 32, versions={"test": "1"},
        window_bars=bars, batch_rows=fitted.batch_rows, regime_model="bocpd",
    )  # fmt: skip
    return fold(fitted.graph(), Head(PlattCurve(0.9, 0.05), 0.1, 0.2), card)


def windowed_model(gold, kind="tft", **changes):
    """Return that model, loaded."""
    return Model(windowed_bytes(gold, kind, **changes), f"{kind}.onnx")


def naive_logits(model, x):
    """Return the log-odds of each row of one symbol that has a whole window, NaN for the others: the obvious way."""
    bars, size = model.card.window_bars, model.card.batch_rows
    out = np.full(len(x), np.nan)
    for i in range(bars - 1, len(x)):
        one = np.repeat(x[None, i + 1 - bars : i + 1], size, axis=0)
        out[i] = model.session.run(["logit"], {"x": one})[0][0, 0]
    return out


def windows_of_gold(model: Model, gold: Columns) -> Windows:
    """Return the windows of gold rows as the stage has them when it reads these rows from scratch.

    Parameters
    ----------
    gold
        n rows in the order of the log, of any symbols and timeframes.
    """
    fate = fates(model, gold, load_instruments())
    _, group = np.unique(np.stack([gold["symbol_id"], gold["tf"]]), axis=1, return_inverse=True)
    group = group.reshape(-1)
    looked_at = in_order_rows(fate)
    ok = np.ones(len(looked_at), np.uint8)
    newest = np.full(len(gold), LONG_AGO, [("ts_ns", "<i8")])
    ts, slots = np.ascontiguousarray(gold["ts"][looked_at]), group[looked_at].astype(np.int32)
    in_order(ts, slots, as_records(newest), np.zeros(len(gold), np.uint8), ok)
    fresh = looked_at[ok != 0]
    kept = fresh[in_window(fate[fresh])]
    return spread(windows_of(input_matrix(gold.take(kept), model.card.inputs), group[kept]), kept, len(gold))
