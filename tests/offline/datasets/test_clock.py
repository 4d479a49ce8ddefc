"""The clock of labels on real calendars: closed hours are no time, missing rows are, a night is a choice."""

from dataclasses import replace

import numpy as np
import pytest

from offline.datasets.build import from_rows
from offline.datasets.clock import row_clock
from offline.datasets.sources import GoldRows
from offline.recipes.recipe import LabelSpec, ModelRecipe, ModelSpec, UniverseSpec
from processors.errors import ConfigError
from processors.sessions import sessions
from schemas.timeframes import TIMEFRAME_NS
from tests.score.gold_rows import make_gold

RECIPE = ModelRecipe("t", LabelSpec(1), UniverseSpec("1d"), ModelSpec("linear"), feature_packs=("core_value_v1",))
SYMBOLS = {"XNYS": "AIG:US", "CMES": "ESM14:CME", "FX": "EURUSD:FX", "METAL": "XAUUSD:CFD", "24/7": "BTC-USD:CRYPTO"}


def ns(text):
    return int(np.datetime64(text, "ns").astype(np.int64))


def bars_of(calendar, tf, first="2013-11-20", last="2014-01-10"):
    """Return the ends of all bars of a span: of a day at the close of each session, else on the grid and at closes."""
    known = sessions(calendar)
    chosen = (known.open_ns >= ns(first)) & (known.close_ns <= ns(last))
    if tf == "1d":
        return np.unique(known.session_close_ns[chosen])
    step = TIMEFRAME_NS[tf]
    ends = [
        np.unique(np.append(np.arange(o // step * step + step, c, step), c))
        for o, c in zip(known.open_ns[chosen], known.close_ns[chosen], strict=True)
    ]
    return np.concatenate(ends)


def labelled(ts, calendar, tf, label):
    """Return whether each row is a sample, and why the others are none."""
    gold = make_gold(len(ts), symbol=SYMBOLS[calendar], tf=tf)
    gold["ts"] = ts
    data, report = from_rows(replace(RECIPE, label=label, universe=UniverseSpec(tf)), GoldRows(gold, None, "made up"))
    return np.isin(np.arange(len(ts)), data.at), report.samples_left_out


@pytest.mark.parametrize("calendar", SYMBOLS)
@pytest.mark.parametrize("horizon", [1, 5])
def test_no_day_of_any_calendar_is_void_but_beside_a_hole(calendar, horizon):
    """Fridays, eves of holidays and half days are labelled; a session that is missing voids the labels over it."""
    ts = bars_of(calendar, "1d")
    usable, left_out = labelled(ts, calendar, "1d", LabelSpec(horizon))
    assert left_out == {"label_after_end": horizon}
    holed = np.delete(ts, slice(10, 10 + 2 * horizon))
    usable, left_out = labelled(holed, calendar, "1d", LabelSpec(horizon))
    assert left_out == {"label_after_end": horizon, "label_stretched": horizon}
    assert not usable[10 - horizon : 10].any()


@pytest.mark.parametrize("calendar", SYMBOLS)
def test_a_horizon_runs_over_closed_hours_only_where_the_recipe_says_so(calendar):
    """By default rows whose horizon runs over a break are void, by that name; asked for, none is; holes stay void."""
    ts = bars_of(calendar, "15m", "2014-04-30", "2014-05-10")
    closes = np.flatnonzero(np.diff(ts) > TIMEFRAME_NS["15m"])
    usable, left_out = labelled(ts, calendar, "15m", LabelSpec(4))
    over = np.unique((closes[:, None] - np.arange(4)).ravel())
    want = {"label_after_end": 4} | ({"label_over_closed": len(over)} if len(over) else {})
    assert left_out == want
    assert (calendar == "24/7") == (len(over) == 0)
    usable, left_out = labelled(ts, calendar, "15m", LabelSpec(4, over_closed_hours=True))
    assert left_out == {"label_after_end": 4}
    holed = np.delete(ts, slice(8, 16))
    usable, left_out = labelled(holed, calendar, "15m", LabelSpec(4, over_closed_hours=True))
    assert left_out == {"label_after_end": 4, "label_stretched": 4}
    assert not usable[4:8].any()


def test_the_clock_counts_the_hours_between_two_rows():
    """Over a weekend of currencies none; rows in closed hours are a bar apart; an unknown symbol has the wall's."""
    friday, sunday = ns("2014-05-02T20:59"), ns("2014-05-04T21:01")
    ts = np.array([friday, sunday, ns("2014-05-04T21:03")])
    minute = TIMEFRAME_NS["1m"]
    clock = row_clock(ts, np.zeros(3, np.int64), ("EURUSD:FX",), "1m")
    assert (clock.open_ns // minute).tolist() == [0, 2, 4]
    assert (clock.closed_ns // minute).tolist() == [0, 48 * 60, 48 * 60]
    saturday = ns("2014-05-03T12:00") + np.arange(3) * minute
    clock = row_clock(saturday, np.zeros(3, np.int64), ("EURUSD:FX",), "1m")
    assert (clock.open_ns // minute).tolist() == [0, 1, 2]
    assert not clock.closed_ns.any()
    clock = row_clock(ts, np.zeros(3, np.int64), ("NEW:X",), "1m")
    assert clock.open_ns.tolist() == (ts - ts[0]).tolist()


def test_a_daily_bar_cannot_stay_within_its_session():
    """Refused with the remedy, and the default of each timeframe is part of the recipe's meaning."""
    with pytest.raises(ConfigError, match="over_closed_hours is 'false': true: a daily bar"):
        replace(RECIPE, label=LabelSpec(1, over_closed_hours=False))
    assert RECIPE.hash == replace(RECIPE, label=LabelSpec(1, over_closed_hours=True)).hash
    hourly = replace(RECIPE, universe=UniverseSpec("1h"))
    assert not hourly.over_closed_hours
    assert hourly.hash != replace(hourly, label=LabelSpec(1, over_closed_hours=True)).hash
