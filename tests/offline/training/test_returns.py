"""Returns out of sample: marked to market bar by bar, net of what score pays, and no skill where there is none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.datasets.training_set import OF_SAMPLES
from offline.recipes.recipe import LabelSpec, ValidationSpec
from offline.registry.evidence import FoldSheet
from offline.selection.luck import deflated_sharpe
from offline.selection.trials import Trial, Trials
from offline.training.marking import marked
from offline.training.periods import DAY_NS, HOUR_NS, open_periods, period_of, periods_a_year
from offline.training.returns import Said, market_of, net_returns, returns_of
from offline.training.run import sharpe_of
from offline.training.walk import FoldResult, walk
from offline.training.walk import walked_of as walk_of_folds
from processors.score.config import ScoreConfig
from tests.offline.datasets.test_shares import AT, action, days, labelled
from tests.offline.training.made import MINUTE, made, recipe_of

FREE = ScoreConfig(fee_bps=dict.fromkeys(ScoreConfig().fee_bps, 0.0), slippage_bps_per_adv_share=0.0)
START = int(np.datetime64("2015-01-06", "ns").astype(np.int64))
BASE, RECIPE = made(200), recipe_of("linear")


def held_in_a_list(close, side, symbol, begin, end, size):
    """Return what ``marked`` does, with each position in a list, bar by bar."""
    out, book, price, cost = np.zeros(len(close)), [], np.nan, np.nan
    for row in range(len(close)):
        if row == 0 or symbol[row] != symbol[row - 1]:
            book, price, cost = [], np.nan, np.nan
        before, price = price, close[row] if close[row] > 0 else price
        cost = cost if np.isnan(side[row]) else side[row]
        out[row] = sum(quantity * (price - before) for quantity, _ in book) if book else 0.0
        gone = [q for q, last in book if last == row]
        come = [(s / price, last) for first, last, s in zip(begin, end, size, strict=True) if first == row]
        book = [(q, last) for q, last in book if last > row] + come
        traded = abs(sum(q for q, _ in come) - sum(gone)) * price
        out[row] -= traded * cost if traded > 0 else 0.0
    return out


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_marking_equals_positions_held_one_by_one(seed):
    """Any positions of two symbols, bars without a price and spreads that are unknown among them."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 25))
    symbol = np.repeat([0, 1], n)
    close = np.exp(0.1 * rng.standard_normal(2 * n))
    side = np.where(rng.random(2 * n) < 0.2, np.nan, 0.01 * rng.random(2 * n))
    close[rng.random(2 * n) < 0.1] = np.nan
    begin = rng.integers(0, n - 1, 12) + n * rng.integers(0, 2, 12)
    begin = begin[np.isfinite(close[begin]) & np.isfinite(side[begin])]
    end = np.minimum(begin + rng.integers(1, n, len(begin)), n - 1 + n * symbol[begin])
    size = rng.standard_normal(len(begin))
    got = marked(close, side, symbol, begin, end, size)
    want = held_in_a_list(close, side, symbol, begin, end, size)
    assert got == pytest.approx(want, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_when_a_return_is_booked_moves_nothing_of_its_sum(seed, horizon):
    """A position that is renewed at every bar earns, over all bars, what its horizons earn booked whole."""
    rng = np.random.default_rng(seed)
    close = np.exp(0.02 * rng.standard_normal(100).cumsum())
    begin = np.arange(100 - horizon)
    size = 0.1 + rng.random(len(begin))
    got = marked(close, np.zeros(100), np.zeros(100, np.int64), begin, begin + horizon, size)
    assert got.sum() == pytest.approx((size * (close[begin + horizon] / close[begin] - 1.0)).sum(), rel=1e-9, abs=1e-12)


def test_a_position_that_is_renewed_pays_for_what_changes_hands():
    """Ten overlapping positions of one price: in at the first bars, out at the last, nothing between."""
    close, side = np.full(20, 50.0), np.full(20, 0.001)
    begin = np.arange(10)
    got = marked(close, side, np.zeros(20, np.int64), begin, begin + 5, np.full(10, 0.2))
    assert -got == pytest.approx(0.001 * 0.2 * np.r_[np.ones(5), np.zeros(5), np.ones(5), np.zeros(5)], abs=1e-15)


def daily(horizon, n, seed, drift=0.0, switching=True):
    """Return n daily rows of a coin, and a walk that knows nothing of it but holds its side for a while."""
    rng = np.random.default_rng(seed)
    close = np.exp(np.r_[0.0, rng.normal(drift, 0.01, n + horizon - 1)].cumsum())
    m = n + horizon
    flat = np.zeros(m, np.int64)
    ts, at = START + np.arange(m) * DAY_NS, np.arange(n)
    move = np.log(close[horizon:] / close[:-horizon])[:n] / (0.01 * np.sqrt(horizon))
    data = replace(
        BASE, x=np.zeros((m, 1), np.float32), symbols=("BTC-USD:CRYPTO",), symbol=flat, ts_ns=ts, regime=flat,
        vol=np.full(m, 0.01), spread_bp=np.zeros(m), close=close, value=close, volume=np.full(m, 1e9),
        adv_pct=np.ones(m), at=at, end_ns=ts[at + horizon], exit_ns=ts[at + horizon], move=move, end_move=move,
        up=(move > 0) * 1.0, target=move, meta=replace(BASE.meta, timeframe="1d", horizon_bars=horizon),
    )  # fmt: skip
    side = np.sign(np.convolve(rng.standard_normal(n + 49), np.ones(50), "valid")) if switching else np.ones(n)
    return data, walked_of(data, 0.5 + 0.1 * side)


def walked_of(data, probability, sheet=None):
    """Return a walk of one fold that said these probabilities."""
    n = len(data)
    sheet = sheet or FoldSheet(0, 1, int(data.ts_ns[data.at[0]]), int(data.ts_ns[data.at[-1]]), 1, n)
    fold = FoldResult(np.arange(n), np.zeros(n, np.int64), probability, np.full(n, -1.0), np.full(n, 1.0), 0.5, 0.8,
                      0.8, np.ones(len(data.inputs)), np.linspace(0.01, 2.0, 50), sheet, {})  # fmt: skip
    return walk_of_folds(RECIPE, data, [fold])


@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_no_skill_is_called_skill_as_rarely_as_it_says(horizon):
    """Daily bars without any: a probability of skill above 0.95 comes in about 5 % of histories, at every horizon."""
    n_histories, called = 800, 0
    for seed in range(n_histories):
        data, walked = daily(horizon, 500, seed)
        found = returns_of(data, walked, FREE)
        called += deflated_sharpe(found, Trials("x", (Trial("a", "a", {}, found),))).value > 0.95
    assert abs(called / n_histories - 0.05) < 3.5 * np.sqrt(0.05 * 0.95 / n_histories)


def test_a_game_that_is_even_is_not_played():
    """Where a fifth of the rows does not move, up is even at 40 %: only more than that is long, only less is short."""
    data, _ = daily(5, 200, 3)
    market = market_of(data)
    begin, one = np.arange(150), np.ones(150)
    for p, sign in ((0.4, 0.0), (0.41, 1.0), (0.39, -1.0)):
        said = Said(begin, begin + 5, p * one, 0.02 * one, 0.9 * one, 0.6 * one, np.zeros(150, np.int64))
        found = net_returns(market, said, FREE).value.sum()
        long = net_returns(market, replace(said, probability=0.9 * one), FREE).value.sum()
        # Rounding is no position.
        assert np.sign(np.round(found / long, 9)) == sign


def test_the_ratio_of_a_position_that_is_always_long_is_that_of_the_market():
    """At any horizon, but for the bars in which it is built up: booked whole, it would be the root of 20 as large."""
    for horizon in (1, 5, 20):
        data, walked = daily(horizon, 2000, 1, drift=0.0004, switching=False)
        got = returns_of(data, walked, FREE)
        market = np.diff(data.close) / data.close[:-1]
        want = market.mean() / market.std(ddof=1) * np.sqrt(got.periods_a_year)
        assert got.sharpe() == pytest.approx(want, rel=0.2)


def test_what_cannot_be_priced_is_not_traded_and_what_can_pays_as_score_does():
    """Without a spread, or without a volume where trades are published, nothing is held; fees and spread are paid."""
    data, walked = daily(5, 300, 2)
    m, config = len(data.close), ScoreConfig()
    assert np.any(returns_of(data, walked, FREE).value)
    # No edge is worth a spread of a tenth.
    for lacking in ({"spread_bp": np.full(m, np.nan)}, {"volume": np.zeros(m)}, {"symbols": ("NOBODY:US",)},
                    {"spread_bp": np.full(m, 1000.0)}):  # fmt: skip
        assert not np.any(returns_of(replace(data, **lacking), walked, FREE).value)
    pair = replace(data, symbols=("EURUSD:FX",), spread_bp=np.full(m, 3.0), volume=np.full(m, np.nan))
    assert market_of(pair).side_costs(config) == pytest.approx((config.fee_bps["fx"] + 1.5) * 1e-4)
    small = replace(data, volume=np.full(m, 1e4), adv_pct=np.full(m, 1.0))
    share = np.minimum(config.max_nav_per_symbol * config.nav / (1e6 * data.close), config.max_adv_share)
    want = (config.fee_bps["crypto"] + config.slippage_bps_per_adv_share * share) * 1e-4
    assert market_of(small).side_costs(config) == pytest.approx(want)
    wide = replace(data, spread_bp=np.full(m, 3.0))
    assert returns_of(wide, walked).value.sum() < returns_of(wide, walked, FREE).value.sum()


def test_a_known_split_earns_and_costs_nothing():
    """Positions of five days, open over a 7:1 split, earn and pay what they would without it, day by day."""
    split, plain = days(7.0), days()
    for gold in (split, plain):
        gold["meta.volume"], gold["meta.adv_pct"] = 1e8, 90.0
    split["meta.volume"][AT:] *= 7.0
    got, want = labelled(split, LabelSpec(5), action(ratio=7.0))[0], labelled(plain, LabelSpec(5))[0]
    assert ((got.at < AT) & (got.at + 5 >= AT)).sum() == 5
    assert got.close[AT:] * 7.0 == pytest.approx(want.close[AT:])
    probability = np.random.default_rng(1).uniform(0.6, 1.0, len(got))
    for config in (FREE, ScoreConfig()):
        found, whole = (returns_of(data, walked_of(data, probability), config) for data in (got, want))
        np.testing.assert_array_equal(found.ts_ns, whole.ts_ns)
        np.testing.assert_allclose(found.value, whole.value, atol=1e-12)
        assert (whole.value != 0.0).sum() > 50
    raw = returns_of(replace(got, value=got.close), walked_of(got, probability), FREE)
    assert raw.value.min() < -0.1


def test_a_ratio_of_a_few_trades_is_told_as_their_number():
    """Of 12 periods with a position no ratio is reported, whatever it would be; of many it is, with its interval."""
    data, walked = daily(5, 300, 2)
    whole = returns_of(data, walked, FREE)
    rare = replace(whole, value=np.where(np.arange(len(whole.value)) < 12, 0.001, 0.0))
    assert sharpe_of(rare) == {"value": None, "low": None, "high": None, "held": 12, "periods": len(rare.value)}
    found = sharpe_of(whole)
    assert found["value"] == pytest.approx(whole.sharpe())
    assert found["low"] < found["value"] < found["high"]


def test_periods_are_those_in_which_the_market_is_open():
    """A year of each calendar; every open hour between the first and the last row, flat ones too, and no other."""
    assert [periods_a_year((c,), "1m", DAY_NS) for c in ("XNYS", "24/7")] == [252, 365]
    assert periods_a_year(("XNYS",), "1d", DAY_NS) == 252
    assert periods_a_year(("24/7",), "1m", HOUR_NS) == 8765
    assert periods_a_year(("XNYS", "24/7"), "1m", HOUR_NS) == 8765
    first, last = (int(np.datetime64(t, "ns").astype(np.int64)) for t in ("2015-01-09T00:00", "2015-01-12T00:00"))
    weekend = open_periods(("FX",), "1m", HOUR_NS, first, last)
    # To 17:00 New York on Friday, from then on Sunday.
    assert (weekend.astype("datetime64[ns]") <= np.datetime64("2015-01-09T22:00")).sum() == 22
    assert (weekend.astype("datetime64[ns]") > np.datetime64("2015-01-11T22:00")).sum() == 2
    assert len(weekend) == 24
    assert period_of(np.array([first, first + 1]), HOUR_NS).tolist() == [first, first + HOUR_NS]


def test_trials_of_one_market_have_the_same_periods_though_their_rows_differ():
    """Rows that one lacks are flat periods; the year has as many either way."""
    data = made(1500, signal=0.0)
    rng = np.random.default_rng(5)
    whole = returns_of(data, walked_of(data, rng.random(len(data))), FREE)
    fewer = replace(data, at=data.at[:-200], **{name: getattr(data, name)[:-200] for name in OF_SAMPLES})
    part = returns_of(fewer, walked_of(fewer, rng.random(len(fewer))), FREE)
    assert (whole.period_ns, whole.periods_a_year) == (part.period_ns, part.periods_a_year)
    assert whole.period_ns == HOUR_NS
    assert set(part.ts_ns) <= set(whole.ts_ns)
    assert market_of(data).ends(data.at, data.end_ns).max() == len(data.close) - 1


def test_each_path_has_its_ratio_and_what_saw_later_rows_is_marked(tmp_path):
    """Combinatorial folds of five in twos: four paths; walked forward: one, and causal."""
    data = made(1_600)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    forward = walk(RECIPE, data, tmp_path / "a", lambda _step, _share: None)
    got = returns_of(data, forward)
    assert (got.causal, got.of_paths) == (True, ())
    assert got.ts_ns[0] >= data.ts_ns[data.at[forward.sample[0]]]
    recipe = replace(RECIPE, validation=ValidationSpec("combinatorial", 5, embargo_bars=5))
    found = returns_of(data, walk(recipe, data, tmp_path / "b", lambda _step, _share: None))
    assert (found.causal, len(found.of_paths)) == (False, 4)
    assert found.of_paths[0] == pytest.approx(found.sharpe())
    assert len(set(found.of_paths)) == 4
    assert (np.diff(got.ts_ns) > MINUTE).all()
