"""Which intervals of the stream have an outcome: those whose label is no void one, on every calendar."""

import math

import numpy as np
import pytest

from offline.datasets.labelling import make_labels
from offline.recipes.recipe import LabelSpec, ModelRecipe, ModelSpec, UniverseSpec
from offline.training.adaptive import adaptive_intervals
from offline.training.conformal import stretch_of
from processors.score.adaptive import TABLE, WHATEVER, step_of
from processors.score.stage import ScoreStage
from schemas.timeframes import TIMEFRAME_NS
from tests.offline.datasets.test_clock import SYMBOLS, bars_of
from tests.score.adaptive_model import HALF, adaptive_model
from tests.score.gold_rows import concat, make_gold
from tests.score.test_format_2 import INPUTS

HORIZON = {"15m": 4, "1h": 3, "1d": 2}
SPAN = {"15m": ("2014-02-10", "2014-02-20"), "1h": ("2014-02-10", "2014-03-10"), "1d": ("2013-09-02", "2014-03-20")}


def made_rows(calendar, tf, seed=0):
    """Return rows of a market with holes in them, some made in closed hours; bounds are -1.645 and 1.645."""
    draw = np.random.default_rng(seed)
    ts = bars_of(calendar, tf, *SPAN[tf])
    if tf != "1d":
        ts = np.unique(np.r_[ts, ts[0] // 86_400_000_000_000 * 86_400_000_000_000 + np.arange(4) * TIMEFRAME_NS[tf]])
    gone = [g + np.arange(bars) for g, bars in zip(draw.integers(5, len(ts) - 10, 4), (1, 2, 8, 8), strict=True)]
    ts = np.delete(ts, np.unique(np.concatenate(gone)))
    gold = make_gold(len(ts), symbol=SYMBOLS[calendar], tf=tf, seed=seed, skill=0.0)
    gold["ts"], gold["meta.realized_vol"] = ts, 6e-5
    gold[INPUTS[0].name], gold[INPUTS[2].name] = -HALF, HALF
    return gold


def recipe_of(tf):
    """Return a recipe with all defaults."""
    return ModelRecipe(
        "t", LabelSpec(HORIZON[tf]), UniverseSpec(tf), ModelSpec("linear"), feature_packs=("core_value_v1",)
    )


def model_of(tf, label_stretch_max=None):
    """Return a model of a timeframe whose intervals follow, by the card that training writes."""
    sizes, horizon = {tf: (0.8, 0.7, 0.9)}, HORIZON[tf]
    return adaptive_model(
        horizon_bars={tf: horizon}, gain_vols=sizes, loss_vols=sizes, adaptive_gamma=step_of(horizon),
        label_stretch_max=label_stretch_max or stretch_of(recipe_of(tf)),
    )  # fmt: skip


def labels_of(calendar, tf, gold):
    """Return moves of a recipe with all defaults, NaN where void, and when each is known."""
    found = make_labels(recipe_of(tf), gold, np.zeros(len(gold), np.int64), (SYMBOLS[calendar],))
    void = np.logical_or.reduce([rows for why, rows in found.void.items() if why != "label_flat"])
    known = np.where(void, np.iinfo(np.int64).max, found.end_ns)
    # A void label holds none up.
    return np.where(void, np.nan, found.move), np.minimum.accumulate(known[::-1])[::-1], found.void


def signals_of(model, rows, size=37):
    """Return the signals of rows in batches, and the state."""
    stage = ScoreStage(model)
    state = stage.open()
    batches = (rows.take(slice(i, i + size)) for i in range(0, len(rows), size))
    return concat(*(stage.step(state, batch).records["signals.v1"] for batch in batches)), state


@pytest.mark.parametrize("calendar", SYMBOLS)
@pytest.mark.parametrize("tf", HORIZON)
def test_an_interval_is_judged_where_a_label_is(calendar, tf):
    """Over nights, breaks, weekends, holidays and holes: intervals are those of the labels, bit for bit."""
    model, gold = model_of(tf), made_rows(calendar, tf)
    move, known, void = labels_of(calendar, tf, gold)
    signals, state = signals_of(model, gold)
    assert state[TABLE].rows[0]["judged"] == np.isfinite(move).sum()
    assert void["label_stretched"].any()
    assert void["label_over_closed"].any() == (tf != "1d" and calendar != "24/7")
    own = np.full(len(gold), float(np.float32(HALF)))
    followed = adaptive_intervals(
        np.array(gold["ts"], np.int64), known, move, -own, own, np.zeros(len(gold), np.int64),
        [np.array(model.card.adaptive_scores)], model.card.coverage, model.card.adaptive_gamma,
    )  # fmt: skip
    unit = gold["meta.realized_vol"] * math.sqrt(HORIZON[tf])
    assert signals["interval.lo"].tobytes() == (followed.low * unit).tobytes()
    assert signals["interval.hi"].tobytes() == (followed.high * unit).tobytes()
    assert len(np.unique(signals["interval.hi"])) > 10


def test_symbols_of_several_calendars_share_a_batch():
    """Each goes by its own market, in one batch as alone."""
    model = model_of("15m")
    alone = {c: made_rows(c, "15m", seed) for seed, c in enumerate(SYMBOLS)}
    rows = concat(*alone.values())
    rows = rows.take(np.argsort(rows["ts"], kind="stable"))
    together, _ = signals_of(model, rows)
    for gold in alone.values():
        own, _ = signals_of(model, gold)
        mine = together.take(np.asarray(together["symbol_id"]) == own["symbol_id"][0])
        assert mine.floats.tobytes() == own.floats.tobytes()


def test_a_card_without_a_limit_has_every_interval_judged():
    """Over closed hours and holes alike, as files of before have it whose recipe lets a horizon run over them."""
    gold = made_rows("XNYS", "15m")
    _, state = signals_of(model_of("15m", label_stretch_max=WHATEVER), gold)
    assert state[TABLE].rows[0]["judged"] == len(gold) - HORIZON["15m"]
