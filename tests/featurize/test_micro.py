"""Microstructure against plain computations and against series whose answer is known."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from processors.featurize.batch import bars_of
from processors.featurize.indicators import layout as c
from schemas.timeframes import TIMEFRAMES
from tests.featurize.series import run, vol
from tests.featurize.whole import Bars, tail_of, whole, windows


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Return a random walk of 200 bars."""
    return whole(200, 13)


def bounce(n: int, spread: float) -> np.ndarray:
    """Return bars of 40 trades at bid or ask of a slow walk; the spread is a fraction of the price."""
    rng = np.random.default_rng(3)
    mid = 100 * np.exp(np.cumsum(rng.normal(0, 2e-4, n * 40)))
    trades = (mid * (1 + spread / 2 * rng.choice([-1, 1], n * 40))).reshape(n, 40)
    return bars_of(trades[:, -1], open_=trades[:, 0], high=trades.max(1), low=trades.min(1), volume=np.ones(n))


@pytest.mark.parametrize("indicator", ["corwin_schultz", "roll_spread", "abdi_ranaldo"])
def test_estimates_of_the_spread_rise_with_the_spread(indicator: str) -> None:
    """Trades that bounce between bid and ask: the estimate finds half to twice a spread of 1 %, and less of 0.2 %."""
    wide, narrow = (np.nanmean(run(indicator, bounce(600, s), {"window": 300})["value"]) for s in (0.01, 0.002))
    assert 0.005 < wide < 0.02
    assert narrow < 0.6 * wide


def test_estimates_of_the_spread_are_their_published_formulas(bars: Bars) -> None:
    """Roll's and Abdi and Ranaldo's over 10 bars, and Corwin and Schultz's without gaps, against whole arrays."""
    r = windows(np.diff(np.log(bars.close)), 10)
    off = r - r.mean(1, keepdims=True)
    both = (off[:, 1:] * off[:, :-1]).sum(1) / 9
    tail_of(run("roll_spread", bars.table, {"window": 10})["value"], 2 * np.sqrt(np.maximum(-both, 0)))
    middle, close = (np.log(bars.high) + np.log(bars.low)) / 2, np.log(bars.close)
    pair = np.sqrt(np.maximum(4 * (close - middle)[:-1] * (close[:-1] - middle[1:]), 0))
    tail_of(run("abdi_ranaldo", bars.table, {"window": 10})["value"], windows(pair, 10).mean(1))
    gap = np.maximum(bars.low[1:] - bars.close[:-1], 0) + np.minimum(bars.high[1:] - bars.close[:-1], 0)
    high, low = bars.high[1:] - gap, bars.low[1:] - gap
    b = np.log(high / low) ** 2 + np.log(bars.high / bars.low)[:-1] ** 2
    g = np.log(np.maximum(high, bars.high[:-1]) / np.minimum(low, bars.low[:-1])) ** 2
    part = 3 - 2 * math.sqrt(2)
    a = (np.sqrt(2 * b) - np.sqrt(b)) / part - np.sqrt(g / part)
    spread = np.maximum(2 * (np.exp(a) - 1) / (1 + np.exp(a)), 0)
    tail_of(run("corwin_schultz", bars.table, {"window": 10})["value"], windows(spread, 10).mean(1))


def test_costs_of_money_are_their_definitions(bars: Bars) -> None:
    """Amihud's mean and Kyle's slope over 12 bars against whole arrays."""
    r, money = np.diff(np.log(bars.close)), (bars.close * bars.volume)[1:]
    tail_of(run("amihud", bars.table, {"window": 12})["value"], windows(1e6 * np.abs(r) / money, 12).mean(1))
    sign = np.sign(r)
    for i in range(1, len(sign)):
        sign[i] = sign[i] or sign[i - 1]
    pairs = zip(windows(sign * money, 12), windows(r, 12), strict=True)
    tail_of(
        run("kyle", bars.table, {"window": 12})["value"], 1e6 * np.array([np.polyfit(x, y, 1)[0] for x, y in pairs])
    )


def test_order_flow_is_classified_in_bulk(bars: Bars) -> None:
    """The share bought is the normal distribution of the return over the deviation of the last 8."""
    r = np.diff(np.log(bars.close))
    share = np.array([2 * NormalDist().cdf(w[-1] / w.std(ddof=1)) - 1 for w in windows(r, 8)])
    volume = bars.volume[8:]
    got = run("order_flow", bars.table, {"window": 5, "deviation_window": 8})
    whole_volume = windows(volume, 5).sum(1)
    tail_of(got["imbalance"], windows(share * volume, 5).sum(1) / whole_volume)
    tail_of(got["toxicity"], np.abs(windows(share * volume, 5)).sum(1) / whole_volume)


def test_bipower_variation_leaves_a_jump_out() -> None:
    """One jump among small moves is nearly all of the variance, and nearly none of its part without jumps."""
    r = np.full(60, 0.001) * np.where(np.arange(60) % 2, 1, -1)
    r[40] = 0.05
    got = run("realised_variance", bars_of(100 * np.exp(np.cumsum(r))), {"window": 20})
    assert got["value"][45] == pytest.approx(0.05**2 + 19 * 1e-6, rel=1e-9)
    assert got["jump_share"][45] > 0.9
    assert got["jump_share"][30] == 0


def test_the_volatility_index_is_of_a_year(bars: Bars) -> None:
    """Points are 100 times the deviation of a bar times the root of the bars of 252 sessions of 6.5 hours."""
    numbers = {"decay": 0.94, "min_returns": 20, "sessions": 252, "hours": 6.5}
    for tf, bars_a_year in (("1m", 252 * 390), ("1h", 252 * 6.5), ("1d", 252)):
        table = bars.table.copy()
        table[:, c.TF] = TIMEFRAMES.index(tf)
        got = run("vix_proxy", table, numbers)["value"]
        np.testing.assert_allclose(got, 100 * vol(table, 0.94, 20) * math.sqrt(bars_a_year), 1e-10)


def test_sizes_of_trades_leave_bars_without_trades_out(bars: Bars) -> None:
    """A bar without a number of trades, or with none, has no value and is not in the mean of later ones."""
    table = bars.table.copy()
    table[[5, 9], c.N_TRADES] = math.nan, 0.0
    there = table[:, c.N_TRADES] > 0
    size = table[there, c.VOLUME] / table[there, c.N_TRADES]
    got = run("trade_size", table, {"window": 6})
    np.testing.assert_array_equal(np.isnan(got["value"]), ~there)
    tail_of(got["ratio"][there], size[5:] / windows(size, 6).mean(1))
    count = table[~np.isnan(table[:, c.N_TRADES]), c.N_TRADES]
    ratio = run("trades_ratio", table, {"window": 6})["value"]
    tail_of(ratio[~np.isnan(table[:, c.N_TRADES])], count[5:] / windows(count, 6).mean(1))


def test_missing_quotes_prices_and_volume_stay_missing() -> None:
    """Without a traded price and trades nothing is made up; without volume flows are 0 and costs missing."""
    table = bars_of(np.full(80, 4.0), other={c.VWAP: np.full(80, math.nan)})
    assert np.isnan(run("vwap_deviation", table, {"window": 3})["average"]).all()
    assert np.isnan(run("trade_size", table, {"window": 3})["value"]).all()
    assert np.isnan(run("amihud", table, {"window": 3})["value"]).all()
    assert np.isnan(run("spread", table)["value"]).all()
    assert run("kyle", table, {"window": 3})["value"][-1] == 0
    assert run("order_flow", table, {"window": 3, "deviation_window": 3})["toxicity"][-1] == 0
    assert run("corwin_schultz", table, {"window": 3})["value"][-1] == 0
