"""The score stage: ``gold.v1`` to ``signals.v1``."""

from typing import ClassVar

import numpy as np

from processors.featurize.config import FeaturizeConfig
from processors.runtime.batch import I64, Columns
from processors.runtime.layout import layout_of
from processors.runtime.stage import Output, Rejected, Stage
from processors.runtime.state import State, TableSpec
from processors.runtime.strings import STRINGS
from processors.score.config import ScoreConfig
from processors.score.kernel import in_order
from processors.score.model import Model, load_model
from processors.score.score import BAD_VALUE, FATES, NO_MODEL, UNKNOWN_SYMBOL, VOL_BAR_MAX, score_rows
from schemas.features import load_pack
from schemas.registry import load_registry

NEVER = np.iinfo(np.int64).min


class ScoreStage(Stage):
    """Scores each gold row once, in the order of its symbol and timeframe.

    Fates: ``signal``; ``in_sample`` (the model has seen that time: no signal); ``warmup``; ``missing_input``;
    ``no_model_for_tf``; ``pack_mismatch``; ``out_of_order`` (not after the last row of its symbol and timeframe);
    ``dead``.

    Parameters
    ----------
    model, config
        What scores, and the risk it may take.
    """

    name: ClassVar[str] = "score"
    source: ClassVar[str] = "gold.v1"
    sinks: ClassVar[tuple[str, ...]] = ("signals.v1",)
    tables: ClassVar[tuple[TableSpec, ...]] = (
        TableSpec("newest", np.array((NEVER,), [("ts_ns", "<i8")]), key_parts=2),
    )

    def __init__(self, model: Model, config: ScoreConfig | None = None) -> None:
        self.model = model
        self.config = config or ScoreConfig()

    def step(self, state: State, batch: Columns) -> Output:
        """Score one batch of gold rows; see the class for the fates."""
        if len(batch) == 0:
            return Output()
        scored = score_rows(self.model, self.config, batch)
        fate = scored.fate
        rejected = [_reject(batch, int(i), int(fate[i])) for i in np.flatnonzero(fate >= UNKNOWN_SYMBOL)]
        fresh = self._in_order(state, batch, fate)
        counts = {"dead": len(rejected)} if rejected else {}
        late = int(((fate < UNKNOWN_SYMBOL) & (fate != NO_MODEL) & ~fresh).sum())
        if late:
            counts["out_of_order"] = late
        for code, name in enumerate(FATES[:UNKNOWN_SYMBOL]):
            n = int(((fate == code) & fresh).sum())
            if n:
                counts[name] = n
        return Output({"signals.v1": scored.signals.take(fresh[scored.mask])}, rejected, counts)

    def _in_order(self, state: State, batch: Columns, fate: I64) -> np.ndarray:
        """Return which rows come after the last one of their symbol and timeframe, shape (n,).

        Rows without a model or with a fault are not looked at: no stranger gets a row of the state.
        """
        looked_at = np.flatnonzero((fate < UNKNOWN_SYMBOL) & (fate != NO_MODEL))
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
    model.check(layout_of(load_registry().current("gold.v1").schema), *_served_pack())
    return ScoreStage(model)


def _served_pack() -> tuple[str, str]:
    """Return id and hash of the pack that featurize makes in this environment."""
    pack = load_pack(FeaturizeConfig.from_environment().pack_id)
    return pack.pack_id, pack.hash
