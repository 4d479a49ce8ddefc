"""The score stage: ``gold.v1`` to ``signals.v1``."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from processors.featurize.config import FeaturizeConfig
from processors.regime.config import RegimeConfig
from processors.runtime.batch import I64, Columns
from processors.runtime.layout import layout_of
from processors.runtime.stage import OUT_OF_ORDER, Output, Rejected, Stage
from processors.runtime.state import State, TableSpec
from processors.runtime.strings import STRINGS
from processors.score.adaptive import TABLE as INTERVALS
from processors.score.adaptive import Outcomes, interval_table, prepare
from processors.score.config import ScoreConfig
from processors.score.inputs import input_matrix
from processors.score.kernel import in_order
from processors.score.model import Model, load_model
from processors.score.score import (
    BAD_VALUE,
    FATES,
    NO_MODEL,
    UNKNOWN_SYMBOL,
    VOL_BAR_MAX,
    fates,
    in_order_rows,
    in_window,
    score_rows,
)  # fmt: skip
from processors.score.window import TABLE, Windows, push_rows, spread, window_table
from processors.times import LONG_AGO
from schemas.instruments import load_instruments
from schemas.registry import load_registry


class ScoreStage(Stage):
    """Scores each gold row once, in the order of its symbol and timeframe.

    Where the model reads windows, the newest rows of each symbol and timeframe are state (``window``), and a row with
    too few behind it is ``warmup``. A late row is not in them.

    Where the card has the interval follow its misses, what waits to be judged is state too (``intervals``).

    Fates: ``signal``; ``in_sample`` (the model has seen that time: no signal); ``warmup``; ``missing_input``;
    ``no_model_for_tf``; ``pack_mismatch``; ``regime_mismatch``; ``out_of_order`` (not after the last row of its symbol
    and timeframe); ``dead``.

    Parameters
    ----------
    model, config
        What scores, and the risk it may take.
    """

    name: ClassVar[str] = "score"
    source: ClassVar[str] = "gold.v1"
    sinks: ClassVar[tuple[str, ...]] = ("signals.v1",)
    tables: ClassVar[tuple[TableSpec, ...]] = ()

    def __init__(self, model: Model, config: ScoreConfig | None = None) -> None:
        self.model = model
        self.config = config or ScoreConfig()
        self.tables = (  # type: ignore[misc]  # depends on the model
            TableSpec("newest", np.array((LONG_AGO,), [("ts_ns", "<i8")]), key_parts=2),
            window_table(model.card.inputs, model.card.window_bars),
            interval_table(model),
        )

    def step(self, state: State, batch: Columns) -> Output:
        """Score one batch of gold rows; see the class for the fates."""
        if len(batch) == 0:
            return Output()
        card = self.model.card
        if card.window_bars > 1 or card.adaptive_gamma:
            # Which rows are in order is asked first: only those are remembered.
            fate = fates(self.model, batch, load_instruments())
            fresh = self._in_order(state, batch, fate)
            windows = self._windows(state, batch, in_window(fate) & fresh) if card.window_bars > 1 else None
            outcomes = Outcomes(state[INTERVALS], fresh) if card.adaptive_gamma else None
            scored = score_rows(self.model, self.config, batch, windows, outcomes)
        else:
            scored = score_rows(self.model, self.config, batch)
            fresh = self._in_order(state, batch, scored.fate)
        fate = scored.fate
        rejected = [_reject(batch, int(i), int(fate[i])) for i in np.flatnonzero(fate >= UNKNOWN_SYMBOL)]
        counts = {"dead": len(rejected)} if rejected else {}
        late = int(((fate < UNKNOWN_SYMBOL) & (fate != NO_MODEL) & ~fresh).sum())
        if late:
            counts[OUT_OF_ORDER] = late
        for code, name in enumerate(FATES[:UNKNOWN_SYMBOL]):
            n = int(((fate == code) & fresh).sum())
            if n:
                counts[name] = n
        return Output({"signals.v1": scored.signals.take(fresh[scored.mask])}, rejected, counts)

    def _windows(self, state: State, batch: Columns, inside: NDArray[np.bool_]) -> Windows:
        """Return the windows of rows, and remember those that are in them; the others have none.

        Parameters
        ----------
        inside
            Shape (n,), which rows stand in windows.
        """
        kept = np.flatnonzero(inside)
        rows = batch.take(kept)
        symbol, tf = (np.ascontiguousarray(rows[c], np.int64) for c in ("symbol_id", "tf"))
        found = push_rows(state[TABLE], input_matrix(rows, self.model.card.inputs), symbol, tf)
        return spread(found, kept, len(batch))

    def _in_order(self, state: State, batch: Columns, fate: I64) -> np.ndarray:
        """Return which rows come after the last one of their symbol and timeframe, shape (n,).

        Rows without a model or with a fault are not looked at: no stranger gets a row of the state.
        """
        looked_at = in_order_rows(fate)
        fresh = np.ones(len(batch), np.bool_)
        if len(looked_at):
            symbol, tf, ts = (np.ascontiguousarray(batch[c][looked_at], np.int64) for c in ("symbol_id", "tf", "ts"))
            table = state["newest"]
            slots = table.slots(symbol, tf)
            ok = np.ones(len(looked_at), np.uint8)
            in_order(ts, slots, table.rows, table.dirty, ok)
            fresh[looked_at] = ok != 0
        return fresh


def _reject(batch: Columns, row: int, fate: int) -> Rejected:
    symbol = STRINGS.text(int(batch["symbol_id"][row]))
    if fate == BAD_VALUE:
        close, vol = float(batch["meta.close"][row]), float(batch["meta.realized_vol"][row])
        reason = f"{symbol}: close {close} must be positive and finite, volatility {vol} a bar from 0 to {VOL_BAR_MAX}"
    else:
        reason = f"{symbol!r} is no instrument: add it to the instruments file"
    return Rejected(row, FATES[fate], reason)


def build() -> Stage:
    """Return the stage with the deployed model (``MPS_MODEL``, or the data folder's).

    Raises
    ------
    ConfigError
        There is no model, or it does not fit the rows that are served.
    """
    model = load_model()
    check_served(model)
    if model.card.adaptive_gamma:
        prepare()
    return ScoreStage(model, ScoreConfig.from_environment())


def check_served(model: Model) -> None:
    """Refuse a model that does not fit the rows that are made in this environment; raises ConfigError."""
    model.check(layout_of(load_registry().current("gold.v1").schema), served_packs(), served_regime_model())


def served_packs() -> tuple[str, ...]:
    """Return the packs that featurize makes in this environment, each as ``id@hash``."""
    return tuple(pack.ref for pack in FeaturizeConfig.from_environment().packs())


def served_regime_model() -> str:
    """Return the model whose regimes the rows have in this environment."""
    return RegimeConfig.from_environment().model
