"""Intervals that follow their misses: the tracker of research, a break of volatility, late rows, restarts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.conformal.adaptive import IntervalTracker, coverage_bound
from offline.training.adaptive import adaptive_intervals
from processors.errors import ConfigError
from processors.runtime.strings import STRINGS
from processors.score.adaptive import TABLE, turn_order
from processors.score.config import ScoreConfig
from processors.score.score import score_rows
from processors.score.stage import ScoreStage
from tests.score.adaptive_model import HALF, adaptive_model, broken_gold
from tests.score.gold_rows import concat
from tests.score.test_format_2 import make_card

H = 15
MOVES = st.lists(st.one_of(st.floats(-50.0, 50.0), st.just(math.nan)), min_size=1, max_size=80)


@pytest.fixture(scope="module")
def follower():
    """Return the model."""
    return adaptive_model()


def signals_of(model, *batches):
    """Return the signals of batches of one partition, one after another."""
    stage = ScoreStage(model)
    state = stage.open()
    return concat(*(stage.step(state, batch).records["signals.v1"] for batch in batches)), state


def covered_of(gold, signals):
    """Return whether each signal's interval held the return of its horizon; the last ones have none."""
    close = gold["meta.close"]
    move = np.log(close[H:] / close[:-H])
    return (signals["interval.lo"][:-H] <= move) & (move <= signals["interval.hi"][:-H])


@settings(deadline=None)
@given(MOVES, st.floats(0.02, 0.5), st.floats(0.001, 0.5), st.integers(1, 7), st.integers(1, 12))
def test_it_is_the_tracker_of_research(moves, target, gamma, delay, n_scores):
    """Level, reach and intervals are those of ``IntervalTracker`` over the same outcomes, heard so many rows later."""
    scores, moves = np.linspace(0.1, 2.0, n_scores), [*moves, 0.5]
    n, at = len(moves), np.arange(len(moves))
    low, high = np.linspace(-1.0, -2.0, n), np.linspace(1.0, 1.5, n)
    found = adaptive_intervals(
        at, at + delay, np.array(moves), low, high, np.zeros(n, np.int64), [scores], 1.0 - target, gamma
    )
    tracker = IntervalTracker(1.0 - (1.0 - target), gamma, n_scores)
    for score in scores[turn_order(n_scores)]:
        tracker._errors.append(score)
    tracker._ascending.extend(scores)
    middle, half, reach = 0.5 * (low + high), 0.5 * (high - low), np.zeros(n)
    for i in range(n):
        if i >= delay and not math.isnan(moves[i - delay]):
            error = abs(moves[i - delay] - middle[i - delay]) / half[i - delay]
            tracker.judge(error, covered=error <= reach[i - delay])
        reach[i] = tracker.reach()
        out = max(reach[i], 0.0) * half[i]
        assert (found.low[i], found.high[i]) == (middle[i] - out, middle[i] + out)
    assert found.furthest <= found.bound


def test_coverage_holds_through_a_break_of_volatility(follower):
    """Of what the stage publishes, nine in ten hold, over all rows, in the calm, and where moves grow threefold."""
    n, wild, inside, fixed, infinite = 8_000, 5_000, [], [], []
    for seed in range(4):
        gold = broken_gold(n, wild_from=wild, seed=seed)
        signals, state = signals_of(follower, gold)
        inside.append(covered_of(gold, signals))
        fixed.append(covered_of(gold, score_rows(follower, ScoreConfig(), gold).signals))
        infinite.append(np.isinf(signals["interval.hi"]))
        row = state[TABLE].rows[0]
        assert row["judged"] == n - H
        assert row["missed"] == (~inside[-1]).sum()
        assert abs(row["missed"] / row["judged"] - 0.1) <= coverage_bound(n - H, follower.card.adaptive_gamma, 0.1, H)
    held, left = np.array(inside), np.array(fixed)
    assert abs(held.mean() - 0.9) <= 0.02
    assert abs(held[:, : wild - H].mean() - 0.9) <= 0.02
    assert abs(held[:, wild:].mean() - 0.9) <= 0.02
    # What the model tells by itself holds little more than half; what follows needs a horizon to hear of it.
    assert left[:, wild:].mean() < 0.65
    assert held[:, wild : wild + 100].mean() > 0.65
    assert held[:, wild + 100 : wild + 500].mean() > 0.88
    # It is no coverage by intervals that hold everything.
    assert np.mean(np.array(infinite)[:, :wild]) < 0.001
    assert np.mean(np.array(infinite)[:, wild:]) < 0.01


def test_the_first_intervals_are_those_of_the_calibration(follower):
    """Until an outcome is known, an interval reaches as far as nine in ten of the calibration's scores."""
    gold = broken_gold(40, wild_from=40)
    signals, _ = signals_of(follower, gold)
    unit = 6e-5 * math.sqrt(H)
    reach = follower.card.adaptive_scores[180]
    np.testing.assert_allclose(signals["interval.hi"][:H], reach * float(np.float32(HALF)) * unit, rtol=1e-12)
    np.testing.assert_array_equal(signals["interval.lo"], -signals["interval.hi"])
    assert len(np.unique(signals["interval.hi"][:H])) == 1
    assert len(np.unique(signals["interval.hi"])) > 1


def test_split_anywhere_restored_and_in_any_batches_it_is_the_same(follower):
    """Two symbols interleaved: cut anywhere, restored from the changelog, or one by one, signals have the same bits."""
    rows = concat(broken_gold(150, wild_from=60), broken_gold(150, wild_from=60, symbol="NZDUSD:FX", seed=1))
    rows = rows.take(np.argsort(rows["ts"], kind="stable"))
    whole, _ = signals_of(follower, rows)
    singles, _ = signals_of(follower, *(rows.take(slice(i, i + 1)) for i in range(len(rows))))
    assert singles.floats.tobytes() == whole.floats.tobytes()
    stage = ScoreStage(follower)
    for cut in (1, 29, 171):
        first = stage.open()
        one = stage.step(first, rows.take(slice(0, cut))).records["signals.v1"]
        again = stage.open()
        again.restore(dict(first.changed()))
        two = stage.step(again, rows.take(slice(cut, None))).records["signals.v1"]
        joined = concat(one, two)
        assert joined.floats.tobytes() == whole.floats.tobytes()
        assert joined.ints.tobytes() == whole.ints.tobytes()


def test_a_late_or_revised_row_neither_judges_nor_is_judged(follower):
    """Rows that come again with another close change no interval; another model's levels are begun anew."""
    rows = broken_gold(120, wild_from=120)
    revised = rows.take(np.array([40, 55, 90]))
    revised["meta.close"] = revised["meta.close"] * 1.5
    dirty = concat(rows.take(slice(0, 100)), revised, rows.take(slice(100, None)))
    clean, state = signals_of(follower, rows)
    soiled, _ = signals_of(follower, dirty)
    assert soiled.floats.tobytes() == clean.floats.tobytes()
    another = ScoreStage(adaptive_model(adaptive_gamma=0.02)).open()
    another.restore(dict(state.changed()))
    assert another[TABLE].rows[0]["judged"] == 0
    assert state[TABLE].rows[0]["judged"] == 120 - H


def test_a_horizon_over_a_hole_has_no_outcome_and_flat_rows_keep_their_own(follower):
    """Nothing is judged across a night; a row without volatility keeps the point that the model tells."""
    rows = broken_gold(60, wild_from=60)
    rows["ts"][30:] += 3_600 * 10**9
    _, state = signals_of(follower, rows)
    assert state[TABLE].rows[0]["judged"] == 60 - 2 * H
    rows["meta.realized_vol"][5] = 0.0
    signals, state = signals_of(follower, rows)
    assert (signals["interval.lo"][5], signals["interval.hi"][5]) == (0.0, 0.0)
    assert state[TABLE].rows[0]["judged"] == 60 - 2 * H - 1


def test_an_interval_is_infinite_where_no_finite_one_makes_good(follower):
    """After misses without end the level is below 0: the interval holds everything, and the signal says so."""
    gold = broken_gold(400, wild_from=0, times=1000.0)
    gold["meta.close"] = 1.38 * np.exp(np.where(np.arange(400) // H % 2 == 0, 0.0, np.arange(400) * 0.01))
    signals, state = signals_of(follower, gold)
    assert np.isinf(signals["interval.hi"]).any()
    assert not np.isnan(signals["interval.lo"]).any()
    assert state[TABLE].rows[0]["alpha"] >= -0.003 * (1 + H)


def test_a_card_that_cannot_be_followed_is_refused():
    """Steps need a card of format 3, scores, one timeframe and the stretch of its labels; scores ascend."""
    for bad in (
        {"adaptive_scores": ()}, {"label_stretch_max": 0.0}, {"validity_scores": ()}, {"adaptive_gamma": -0.1},
        {"adaptive_scores": (2.0, 1.0)}, {"validity_centre": (0.0,)}, {"validity_scale": (1.0, -1.0, 1.0)},
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            adaptive_model(**bad)
    card = adaptive_model().card
    assert card.format == "3"
    for left_out in ("validity_scores", "adaptive_gamma", "label_stretch_max"):
        properties = card.to_properties()
        properties.pop("mps." + left_out)
        with pytest.raises(ConfigError, match=left_out):
            type(card).from_properties(properties, "m")
    assert not any("adaptive" in key for key in make_card().to_properties())


def test_a_model_that_does_not_ask_keeps_its_own_bounds():
    """With a step of 0 the stage publishes what the service says, to the bit."""
    model, gold = adaptive_model(adaptive_gamma=0.0), broken_gold(100, wild_from=20)
    signals, state = signals_of(model, gold)
    alone = score_rows(model, ScoreConfig(), gold).signals
    assert signals.floats.tobytes() == alone.floats.tobytes()
    assert len(state[TABLE]) == 0
    assert STRINGS.text(int(signals["tf"][0])) == "1m"
