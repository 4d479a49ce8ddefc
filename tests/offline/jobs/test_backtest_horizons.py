"""Where the horizons of a backtest end: where those of the labels do, on every calendar."""

import numpy as np
import pytest

from offline.datasets.labelling import make_labels
from offline.jobs.flows.backtest import horizon_ends
from offline.recipes.recipe import LabelSpec, ModelRecipe, ModelSpec, UniverseSpec
from offline.training.returns import Market
from processors.score.adaptive import WHATEVER
from tests.offline.datasets.test_clock import SYMBOLS
from tests.score.test_adaptive_clock import HORIZON, made_rows


@pytest.mark.parametrize("calendar", SYMBOLS)
@pytest.mark.parametrize("tf", HORIZON)
@pytest.mark.parametrize("over_closed_hours", [False, True])
def test_a_horizon_has_an_outcome_where_it_has_a_label(calendar, tf, over_closed_hours):
    """Void over holes, and over closed hours unless asked for; else the end is the label's."""
    gold, n, h = made_rows(calendar, tf), len(made_rows(calendar, tf)), HORIZON[tf]
    asked, limit = over_closed_hours or tf == "1d", WHATEVER if over_closed_hours and tf != "1d" else 2.0
    label = LabelSpec(h, over_closed_hours=asked, stretch_max=limit)
    recipe = ModelRecipe("t", label, UniverseSpec(tf), ModelSpec("linear"), feature_packs=("core_value_v1",))
    symbols, symbol = (SYMBOLS[calendar],), np.zeros(n, np.int64)
    made = make_labels(recipe, gold, symbol, symbols)
    void = np.logical_or.reduce([rows for why, rows in made.void.items() if why != "label_flat"])
    unknown, ts = np.full(n, np.nan), np.array(gold["ts"], np.int64)
    market = Market(tf, symbols, symbol, ts, np.array(gold["meta.close"]), unknown, unknown, unknown)
    end = horizon_ends(market, h, limit)
    np.testing.assert_array_equal(end >= 0, ~void)
    np.testing.assert_array_equal(ts[end[end >= 0]], made.end_ns[~void])
    assert 0 < void.sum() < n
