"""A model of a recipe in the stream: each signal has the score of the offline rows, bit for bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from offline.dataset import record_gold
from offline.datasets.build import build
from offline.datasets.sources import RecordedTicks
from offline.recipes.recipe import ModelSpec, ValidationSpec
from offline.training.fitting import inputs_of
from offline.training.run import run
from processors.runtime.strings import STRINGS
from processors.score import kernel as k
from processors.score.model import load_model
from processors.score.stage import ScoreStage
from tests.offline.training.made import recipe_of

TICKS = Path(__file__).parents[3] / "deploy" / "demo" / "market" / "eurusd_ticks_two_vendors.parquet"
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
def test_the_score_in_the_stream_is_that_of_the_offline_row(kind, gold, tmp_path):
    """Of every signal after training, over the shipped recording."""
    recipe = replace(
        recipe_of(kind), model=ModelSpec(kind, PARAMS[kind]), validation=ValidationSpec("walk_forward", 2),
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
    ts = np.concatenate([np.asarray(p["ts"]) for p in parts])
    prob = np.concatenate([np.asarray(p["prob_up"]) for p in parts])
    place = {int(t): i for i, t in enumerate(data.ts_ns)}
    samples = {int(data.ts_ns[row]): i for i, row in enumerate(data.at)}
    both = [i for i, t in enumerate(ts) if int(t) in samples]
    assert len(both) > 500
    assert min(ts) > until
    offline = model.run(inputs_of(data, np.array([samples[int(ts[i])] for i in both]), model.card.window_bars))
    want = np.array([k.probability(value) for value in offline.logit])
    assert prob[both].tobytes() == want.tobytes()
    assert set(map(int, ts)) <= set(place)
