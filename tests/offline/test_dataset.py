"""The baseline's labels are those of a recipe that says nothing of horizons: by the market's time, free of splits."""

from dataclasses import replace

import numpy as np
import pytest

from offline.dataset import make_dataset
from offline.datasets.build import from_rows
from offline.datasets.sources import GoldRows
from offline.recipes.recipe import LabelSpec, UniverseSpec
from schemas.timeframes import TIMEFRAME_NS
from tests.offline.datasets.test_clock import RECIPE, SYMBOLS, bars_of
from tests.offline.datasets.test_shares import AT, EX_DATE, TS, action, days
from tests.score.gold_rows import concat, make_gold

HORIZON = {"15m": 4, "1d": 2}


def of_recipe(gold, timeframe, *actions):
    """Return times, ends and moves of the samples of a recipe with all defaults, by time and symbol."""
    recipe = replace(RECIPE, label=LabelSpec(HORIZON[timeframe]), universe=UniverseSpec(timeframe))
    data, report = from_rows(recipe, GoldRows(gold, None, "made up", actions))
    order = np.lexsort((data.symbol[data.at], data.ts_ns[data.at]))
    return (data.ts_ns[data.at][order], data.end_ns[order], data.move[order]), report.samples_left_out


@pytest.mark.parametrize("holes", [(), (slice(20, 29), slice(60, 64), slice(100, 105))], ids=["whole", "holes"])
@pytest.mark.parametrize("timeframe", HORIZON)
def test_horizons_take_the_time_of_the_market_on_every_calendar(timeframe, holes):
    """Bit for bit the labels of a recipe beside nights, weekends, holidays and holes: daily ones over weekends too."""
    span = ("2013-11-20", "2014-01-10") if timeframe == "1d" else ("2014-04-30", "2014-05-10")
    parts = []
    for seed, (calendar, symbol) in enumerate(SYMBOLS.items()):
        ts = bars_of(calendar, timeframe, *span)
        gold = make_gold(len(ts), symbol=symbol, tf=timeframe, seed=seed)
        gold["ts"] = ts
        parts.append(gold.take(np.setdiff1d(np.arange(len(ts)), np.r_[(*holes, slice(0, 0))].astype(np.int64))))
    gold = concat(*parts)
    (ts, end, move), left_out = of_recipe(gold, timeframe)
    found = make_dataset(gold, HORIZON)
    np.testing.assert_array_equal(found.ts_ns, ts)
    np.testing.assert_array_equal(found.end_ns, end)
    np.testing.assert_array_equal(found.move, move)
    assert ("label_stretched" in left_out) == bool(holes)
    assert ("label_over_closed" in left_out) == (timeframe != "1d")
    longer_on_wall = end - ts > 2 * HORIZON[timeframe] * TIMEFRAME_NS[timeframe]
    assert longer_on_wall.any() == (timeframe == "1d")


@pytest.mark.parametrize("known_ns", [int(TS[3]), int(TS[AT + 3])], ids=["in time", "too late"])
def test_a_split_is_no_move(known_ns, tmp_path, monkeypatch):
    """Known in time it is taken out, known too late it voids; the file of MPS_FACTS is read where none is named."""
    told, gold = action(known_ns, ratio=7.0), days(7.0)
    (ts, end, move), left_out = of_recipe(gold, "1d", told)
    found = make_dataset(gold, HORIZON, actions=(told,))
    np.testing.assert_array_equal(found.ts_ns, ts)
    np.testing.assert_array_equal(found.end_ns, end)
    np.testing.assert_array_equal(found.move, move)
    assert ("split_in_horizon" in left_out) == (known_ns > TS[AT])
    assert np.abs(move).max() < 1.0 < np.abs(make_dataset(gold, HORIZON).move).max()
    facts = tmp_path / "actions.csv"
    facts.write_text(f"date,symbol,dividend,split\n{EX_DATE},AIG,0.0,7.0\n")
    monkeypatch.setenv("MPS_FACTS", str(facts))
    read, want = make_dataset(gold, HORIZON), make_dataset(days(), HORIZON, actions=())
    np.testing.assert_allclose(read.move, want.move, atol=1e-9)
