"""What a probability is weighed with: gains and losses whose mean is that of the moves."""

import numpy as np
import pytest

from offline.datasets.learned import Learned
from offline.training.payoffs import payoffs
from processors.errors import ConfigError


def of(move, regime=None, n_regimes=1, horizon=5):
    """Return the payoffs of moves that all count alike."""
    regime = np.zeros(len(move), np.int64) if regime is None else regime
    return payoffs(Learned(np.zeros(len(move)), move, np.ones(len(move))), regime, n_regimes, horizon)


@pytest.mark.parametrize("flat", [0.0, 0.2, 0.6])
def test_the_mean_of_gain_and_loss_is_the_mean_move(flat):
    """However many rows do not move: at the share of ups the expected move is that of all rows."""
    rng = np.random.default_rng(1)
    move = np.where(rng.random(5000) < flat, 0.0, 0.1 + rng.standard_normal(5000))
    gain, loss = of(move)
    share = (move > 0).mean()
    assert share * gain - (1.0 - share) * loss == pytest.approx([move.mean()], abs=1e-12)


def test_what_does_not_move_is_no_bet_on_falling():
    """As many ups as downs of one size and a fifth flat: no edge on either side, also of a regime without rows."""
    move = np.tile([1.0, -1.0, 1.0, -1.0, 0.0], 1000)
    gain, loss = of(move, n_regimes=2)
    assert 0.4 * gain - 0.6 * loss == pytest.approx([0.0, 0.0], abs=1e-12)


def test_each_side_is_drawn_to_its_own_mean():
    """A regime of few rows has about the gains and losses of all; the longer the horizon, the less its rows say."""
    move, regime = np.array([1.0, -2.0] * 500 + [5.0, -8.0] * 10), np.repeat([0, 1], [1000, 20])
    short, long = of(move, regime, 2, 1), of(move, regime, 2, 10)
    for side, own, overall in ((0, 5.0, 550 / 510), (1, 8.0, 1080 / 510)):
        assert short[side][1] == pytest.approx((10 * own + 50 * overall) / 60)
        assert long[side][1] == pytest.approx((1 * own + 50 * overall) / 51)


@pytest.mark.parametrize("move", [[0.0, 1.0, 2.0], [-1.0, 0.0, -2.0], [0.0, 0.0]])
def test_moves_of_one_side_are_refused(move):
    """A gain or a loss of nothing is none that a position can be sized by."""
    with pytest.raises(ConfigError, match="prices go up and down"):
        of(np.array(move))
