"""From gold rows to signals: the one function that the stage and the ScoreService call."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from processors.runtime.batch import F64, I64, Columns
from processors.runtime.layout import Layout, layout_of
from processors.runtime.strings import STRINGS
from processors.score import kernel as k
from processors.score.adaptive import Outcomes
from processors.score.annual import bars_per_year
from processors.score.config import ScoreConfig
from processors.score.costs import Costs, costs_of
from processors.score.inputs import input_matrix
from processors.score.model import Model, Outputs
from processors.score.window import Windows
from schemas.features import pack_ref
from schemas.instruments import Instruments, load_instruments
from schemas.registry import load_registry

FATES = (
    "signal", "no_model_for_tf", "pack_mismatch", "regime_mismatch", "warmup", "missing_input", "in_sample",
    "unknown_symbol", "bad_value",
)  # fmt: skip
"""What became of a row. Only ``signal`` gives a record; the last two are faults of the row."""
(
    SIGNAL, NO_MODEL, PACK_MISMATCH, REGIME_MISMATCH, WARMUP, MISSING_INPUT, IN_SAMPLE, UNKNOWN_SYMBOL, BAD_VALUE,
) = range(len(FATES))  # fmt: skip

GATES = ("stale", "no_spread", "no_adv", "no_edge", "gap", "drift", "low_validity")
"""Why a signal must not be acted on: the symbol is stale; its spread is unknown, so its cost is; trades are published
but the daily volume is not yet known, so the size cannot be capped; neither side has a positive expected return; the
bar before is missing, so that the newest return spans more than one bar; an input of the model is in drift; the row is
too unlike those of training to be predicted."""
ENSEMBLE = "single"

VOL_BAR_MAX = 10.0
"""No price has a volatility of 1,000 % a bar: the row is broken."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of n gold rows.

    Parameters
    ----------
    signals
        Rows of ``signals.v1`` for the gold rows whose fate is ``signal``, in their order.
    fate
        Shape (n,): index into ``FATES``.
    """

    signals: Columns
    fate: I64

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Return which rows have a signal, shape (n,)."""
        return np.asarray(self.fate == SIGNAL)


def score_rows(
    model: Model,
    config: ScoreConfig,
    gold: Columns,
    windows: Windows | None = None,
    outcomes: Outcomes | None = None,
) -> Scored:
    """Return a signal for every gold row that the model may score.

    The result of a row depends on that row alone, or on its window, never on its batch; with outcomes, its interval
    depends on the rows before it too.

    Parameters
    ----------
    model
        The deployed model.
    config
        Risk and costs.
    gold
        n rows of ``gold.v1``, of any symbols and timeframes.
    windows
        Theirs, where the model reads more than one row. A row with too few behind it has the fate ``warmup``.
    outcomes
        What became of earlier rows, where the model's intervals follow it. Without them intervals are those that the
        model tells by itself.
    """
    instruments = load_instruments()
    fate = fates(model, gold, instruments)
    if model.card.window_bars > 1:
        assert windows is not None, f"{model.where}: scored without its windows of {model.card.window_bars} rows"
        fate[in_window(fate) & (windows.seen < model.card.window_bars)] = WARMUP
        windows = windows.take(fate == SIGNAL)
    signal = fate == SIGNAL
    rows = gold.take(signal)
    said = model.outputs(rows, windows)
    if outcomes is not None:
        assert said.bounds is not None, f"{model.where}: only bounds can follow outcomes"
        said = replace(said, bounds=outcomes.bounds(model.card, gold, in_window(fate), signal, said.bounds))
    return Scored(_signals(model, config, rows, said, instruments), fate)


def fates(model: Model, gold: Columns, instruments: Instruments) -> I64:
    """Return the fate of every row, shape (n,): the first in this order that holds."""
    card = model.card
    n = len(gold)
    symbol, ts = _ints(gold, "symbol_id"), _ints(gold, "ts")
    close, vol = _floats(gold, "meta.close"), _floats(gold, "meta.realized_vol")
    has_model = np.isin(_ints(gold, "tf"), [STRINGS.code(tf) for tf in card.horizon_bars])
    lacks_pack = np.zeros(n, np.bool_)
    for ref in card.needs:
        pack_id, _, pack_hash = ref.partition("@")
        lacks_pack |= ~has_pack(gold, pack_id, pack_hash)
    ready = (_ints(gold, "warm") != 0) & ~np.isnan(vol)
    missing = np.zeros(n, np.bool_)
    for name in card.required:
        missing |= np.isnan(_floats(gold, name))
    good = np.isfinite(close) & (close > 0) & ~(vol < 0) & ~(vol > VOL_BAR_MAX)
    fate = np.full(n, SIGNAL, np.int64)
    # In reverse, so that the first that holds is written last.
    for which, code in (
        (ts <= card.trained_until_ns, IN_SAMPLE),
        (missing, MISSING_INPUT),
        (~ready, WARMUP),
        (~_has_known_regime(model, gold), REGIME_MISMATCH),
        (lacks_pack, PACK_MISMATCH),
        (~has_model, NO_MODEL),
        (~good, BAD_VALUE),
        (instruments.row_of(symbol) < 0, UNKNOWN_SYMBOL),
    ):
        fate[which] = code
    return fate


def in_window(fate: I64) -> NDArray[np.bool_]:
    """Return which rows stand in windows by their fate, shape (n,); late ones do not either: see ``window``."""
    return np.isin(fate, (SIGNAL, WARMUP, MISSING_INPUT, IN_SAMPLE))


def in_order_rows(fate: I64) -> I64:
    """Return the positions of rows whose order is looked at: those without a model or with a fault are not."""
    return np.flatnonzero((fate < UNKNOWN_SYMBOL) & (fate != NO_MODEL))


def has_pack(gold: Columns, pack_id: str, pack_hash: str) -> NDArray[np.bool_]:
    """Return which rows have the features of a pack, by the very definition that its hash covers."""
    in_use, inverse = np.unique(_ints(gold, "packs"), return_inverse=True)
    ref = pack_ref(pack_id, pack_hash)
    among: NDArray[np.bool_] = np.array([ref in STRINGS.array(int(code)) for code in in_use], np.bool_)[inverse]
    # Rows of version 1 name their one pack by its hash alone.
    same: NDArray[np.bool_] = _ints(gold, "pack_hash") == STRINGS.code(pack_hash)
    of_version_1: NDArray[np.bool_] = same & (_ints(gold, "packs") == STRINGS.array_code(()))
    return among | of_version_1


def _has_known_regime(model: Model, gold: Columns) -> NDArray[np.bool_]:
    """Return which rows have a regime as those of training: told by the same model, and with a label of the card."""
    card, symbols = model.card, gold.layout.symbols
    labels = np.array([label in card.regimes for label in symbols["regime.label"]], np.bool_)
    models = np.array([card.regime_model in {"", name} for name in symbols["regime.model"]], np.bool_)
    known: NDArray[np.bool_] = labels[_ints(gold, "regime.label")] & models[_ints(gold, "regime.model")]
    return known


def _has_drifted_input(model: Model, gold: Columns) -> NDArray[np.bool_]:
    """Return which rows have a feature in drift that the model reads."""
    inputs = {i.name.removeprefix("features.") for i in model.card.inputs}
    in_use, inverse = np.unique(_ints(gold, "drifted"), return_inverse=True)
    out: NDArray[np.bool_] = np.array([bool(inputs & {*STRINGS.array(int(c))}) for c in in_use], np.bool_)[inverse]
    return out


def _signals(model: Model, config: ScoreConfig, gold: Columns, said: Outputs, instruments: Instruments) -> Columns:
    """Return the signals of rows that are all to be scored."""
    card, n = model.card, len(gold)
    layout = _signal_layout()
    signals = Columns.empty(layout, n)
    signals.offset = gold.offset
    rows = np.zeros((k.N_IN, n))
    rows[k.LOGIT] = said.logit
    rows[k.VOL_BAR] = _floats(gold, "meta.realized_vol")
    at = instruments.row_of(_ints(gold, "symbol_id"))
    _fill_model_numbers(model, gold, rows)
    if said.bounds is not None:
        rows[k.INTERVAL_LO], rows[k.INTERVAL_HI] = said.bounds.T
        rows[k.FROM_MEAN] = 0.0
    _fill_bars_per_year(gold, instruments, at, rows)
    costs = _fill_costs(config, gold, instruments, at, rows)
    out = np.empty((k.N_OUT, n))
    k.decide_rows(rows, config.kelly_fraction, config.vol_target_annual, config.max_nav_per_symbol, out)
    validity = np.full(n, np.nan) if model.validity is None else model.validity.of(input_matrix(gold, card.inputs))
    gates = np.zeros(n, np.int64)
    for bit, held in enumerate(
        (
            _ints(gold, "quality.stale") != 0, costs.no_spread, costs.no_adv,
            out[k.KELLY] == 0, _ints(gold, "quality.gap") != 0, _has_drifted_input(model, gold),
            validity < config.validity_min,
        )
    ):  # fmt: skip
        gates |= held.astype(np.int64) << bit
    for name in ("ts", "symbol_id", "tf"):
        signals[name] = gold[name]
    signals["lineage.pack_id"], signals["lineage.pack_hash"] = STRINGS.code(card.pack_id), STRINGS.code(card.pack_hash)
    signals["lineage.raw_offset"] = gold["raw_offset"]
    signals["horizon_bars"] = rows[k.HORIZON]
    for name, row in _OUTPUTS:
        signals[name] = out[row]
    signals["sizing.nav_frac"] = np.where(gates == 0, out[k.NAV_FRAC], 0.0)
    signals["interval.coverage"] = card.coverage
    signals["risk.target_vol"] = config.vol_target_annual
    signals["sizing.max_adv_share"] = config.max_adv_share
    signals["model.ensemble"] = STRINGS.code(ENSEMBLE)
    signals["model.members"] = STRINGS.array_code((card.name,))
    signals["model.version"] = STRINGS.code(model.version)
    labels = np.array([STRINGS.code(r) for r in gold.layout.symbols["regime.label"]], np.int64)
    signals["regime"] = labels[_ints(gold, "regime.label")]
    signals["gates"] = _gate_codes()[gates]
    signals["validity"] = validity
    return signals


_OUTPUTS = (
    ("score", k.SCORE),
    ("prob_up", k.PROB_UP),
    ("conf", k.CONF),
    ("expected_return", k.EXPECTED_RETURN),
    ("interval.lo", k.LO),
    ("interval.hi", k.HI),
    ("risk.realized_vol", k.VOL_ANNUAL),
    ("risk.kelly_frac", k.KELLY),
)


def _fill_model_numbers(model: Model, gold: Columns, rows: F64) -> None:
    """Fill horizon, gains, losses and residual quantiles of each row's timeframe and regime.

    Residuals are added to the predicted mean; bounds that the model tells take their place.
    """
    card = model.card
    rows[k.FROM_MEAN] = 1.0
    tf, label = _ints(gold, "tf"), gold.layout.symbols["regime.label"]
    # A label that the card has not is of no row here: its fate is another.
    place = {r: i for i, r in enumerate(card.regimes)}
    regime = np.array([place.get(r, -1) for r in label])[_ints(gold, "regime.label")]
    for name, horizon in card.horizon_bars.items():
        here = tf == STRINGS.code(name)
        rows[k.HORIZON, here] = horizon
        rows[k.GAIN, here] = np.array(card.gain_vols[name])[regime[here]]
        rows[k.LOSS, here] = np.array(card.loss_vols[name])[regime[here]]
        if name in card.residual_quantiles:
            rows[k.INTERVAL_LO, here], rows[k.INTERVAL_HI, here] = card.residual_quantiles[name]


def _fill_bars_per_year(gold: Columns, instruments: Instruments, at: I64, rows: F64) -> None:
    tf = _ints(gold, "tf")
    for code in np.unique(tf):
        for calendar in np.unique(instruments.calendar[at[tf == code]]):
            here = (tf == code) & (instruments.calendar[at] == calendar)
            rows[k.BARS_PER_YEAR, here] = bars_per_year(instruments.calendars[calendar], STRINGS.text(int(code)))


def _fill_costs(config: ScoreConfig, gold: Columns, instruments: Instruments, at: I64, rows: F64) -> Costs:
    """Fill the cost of the round trip and the cap by daily volume; return them with what is not known."""
    meta = {name: _floats(gold, f"meta.{name}") for name in ("close", "volume", "adv_pct", "spread_bp")}
    costs = costs_of(config, instruments, at, **meta)
    rows[k.COST], rows[k.ADV_NAV_FRAC] = costs.round_trip, costs.adv_nav_frac
    return costs


@cache
def _signal_layout() -> Layout:
    return layout_of(load_registry().current("signals.v1").schema)


@cache
def _gate_codes() -> I64:
    """Return the string code of every set of gates, by its bits, shape (2 ** n_gates,)."""
    sets = range(1 << len(GATES))
    return np.array(
        [STRINGS.array_code(tuple(g for b, g in enumerate(GATES) if bits >> b & 1)) for bits in sets], np.int64
    )


def _ints(rows: Columns, name: str) -> I64:
    return rows[name]  # type: ignore[return-value]


def _floats(rows: Columns, name: str) -> F64:
    return rows[name]  # type: ignore[return-value]
