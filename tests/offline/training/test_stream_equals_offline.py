"""A model of a recipe in the stream: each signal has what the offline rows give, bit for bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from offline.dataset import record_gold
from offline.datasets.build import build
from offline.datasets.sources import RecordedTicks
from offline.recipes.recipe import ModelSpec, Quality, ValidationSpec
from offline.training.adaptive import adaptive_intervals
from offline.training.fitting import inputs_of
from offline.training.run import run
from processors.runtime.strings import STRINGS
from processors.score import kernel as k
from processors.score.model import load_model
from processors.score.stage import ScoreStage
from tests.offline.training.made import recipe_of

TICKS = Path(__file__).parents[3] / "deploy" / "demo" / "market" / "eurusd_ticks_two_vendors.parquet"
FIELDS = ("ts", "prob_up", "validity", "interval.lo", "interval.hi")
PARAMS = {
    "linear": {},
    "xgb": {"rounds": 20},
    "nbeats": {"epochs_max": 1, "width": 8, "window_bars": 8, "channels": 2},
}


@pytest.fixture(scope="module")
def gold():
    """Return the gold rows of recorded EURUSD ticks, by the stages."""
    return record_gold([TICKS])


@pytest.mark.parametrize("kind", list(PARAMS))
def test_a_signal_of_the_stream_is_that_of_the_offline_row(kind, gold, tmp_path):
    """Score, validity and the interval that follows its misses, after training, over the shipped recording."""
    recipe = replace(
        recipe_of(kind), model=ModelSpec(kind, PARAMS[kind]), validation=ValidationSpec("walk_forward", 2),
        quality=Quality(drop_stale=False),
    )  # fmt: skip
    data, _ = build(recipe, RecordedTicks([TICKS]))
    until = int(np.quantile(data.ts_ns, 0.6))
    out = tmp_path / "model.onnx"
    run(recipe, data, {}, out, tmp_path, registry=None, until_ns=until, progress=lambda _step, _share: None)
    model = load_model(out)
    rows = gold.take(np.asarray(gold["tf"]) == STRINGS.code("1m"))
    stage = ScoreStage(model)
    state = stage.open()
    parts = [stage.step(state, rows.take(slice(i, i + 77))).records["signals.v1"] for i in range(0, len(rows), 77)]
    told = {c: np.concatenate([np.asarray(p[c]) for p in parts]) for c in FIELDS}
    ts = told["ts"]
    place = {int(t): i for i, t in enumerate(data.ts_ns)}
    samples = {int(data.ts_ns[row]): i for i, row in enumerate(data.at)}
    both = [i for i, t in enumerate(ts) if int(t) in samples]
    assert len(both) > 500
    assert min(ts) > until
    assert set(map(int, ts)) <= set(place)
    sample = np.array([samples[int(ts[i])] for i in both])
    offline = model.run(inputs_of(data, sample, model.card.window_bars))
    assert told["prob_up"][both].tobytes() == np.array([k.probability(v) for v in offline.logit]).tobytes()
    assert told["validity"][both].tobytes() == model.validity.of(data.x[data.at[sample]]).tobytes()
    assert len(np.unique(told["validity"])) > 50
    # Signals whose label is void, or later than the recording, are no samples: their intervals are judged by none.
    row = np.array([place[int(t)] for t in ts])
    at = np.array([samples.get(int(t), -1) for t in ts])
    own = model.run(data.x[row] if model.card.window_bars == 1 else data.windows(row, model.card.window_bars)).bounds
    known = np.where(at >= 0, data.end_ns[at], np.iinfo(np.int64).max)
    # Within a symbol labels become known in the order of the rows; a void one never does, and holds none up.
    known = np.minimum.accumulate(known[::-1])[::-1]
    followed = adaptive_intervals(
        ts, known, np.where(at >= 0, data.move[at], np.nan), own[:, 0].copy(), own[:, 1].copy(),
        np.zeros(len(ts), np.int64), [np.array(model.card.adaptive_scores)], model.card.coverage,
        model.card.adaptive_gamma,
    )  # fmt: skip
    unit = data.vol[row] * np.sqrt(model.card.horizon_bars["1m"])
    assert told["interval.lo"].tobytes() == (followed.low * unit).tobytes()
    assert told["interval.hi"].tobytes() == (followed.high * unit).tobytes()
    assert len(np.unique(followed.high / own[:, 1])) > 50
