"""Timeframes and thresholds of age are declared once, and everything that depends on them follows."""

from itertools import pairwise

import numpy as np

from offline.dataset import HORIZON_BARS
from processors import times
from processors.bars.config import BarsConfig
from processors.reconcile.config import ReconcileConfig
from schemas.freshness import ROW_STALE_AFTER_S, STALE_AFTER
from schemas.instruments import ASSET_CLASSES
from schemas.timeframes import SESSION, TIMEFRAME_NS, TIMEFRAMES


def test_timeframes_ascend_and_each_divides_the_next() -> None:
    """Longer bars are made of whole shorter ones, and the session's is the longest."""
    assert TIMEFRAMES[-1] == SESSION
    for shorter, longer in pairwise(TIMEFRAME_NS.values()):
        assert longer > shorter
        assert longer % shorter == 0


def test_the_kernels_have_a_place_for_each_timeframe() -> None:
    """They know numbers alone: as many as there are names, the minute first and the session last."""
    assert tuple(TIMEFRAME_NS.values()) == times.TF_NS
    assert len(TIMEFRAMES) == times.N_TF
    assert TIMEFRAMES[times.DAY] == SESSION
    assert times.TF_NS[0] == times.MINUTE_NS
    assert times.TF_NS[times.DAY] == times.DAY_NS


def test_every_timeframe_has_its_horizon_and_its_age() -> None:
    """What is chosen for each timeframe is chosen for all of them, and in whole bars or more than one."""
    assert tuple(HORIZON_BARS) == TIMEFRAMES
    assert tuple(ROW_STALE_AFTER_S) == TIMEFRAMES
    assert all(ROW_STALE_AFTER_S[name] * 10**9 >= 2 * ns for name, ns in TIMEFRAME_NS.items())


def test_the_stages_take_their_thresholds_from_the_one_table() -> None:
    """Of each asset class; a source may be silent for longer than the consensus of all of them."""
    assert tuple(STALE_AFTER) == ASSET_CLASSES
    limits = ReconcileConfig().limit_rows()
    consensus_ns = BarsConfig().stale_ns()
    np.testing.assert_array_equal(limits["stale_ns"], [after.source_ms * 10**6 for after in STALE_AFTER.values()])
    np.testing.assert_array_equal(consensus_ns[:, 0], [after.consensus_ms * 10**6 for after in STALE_AFTER.values()])
    assert (limits["stale_ns"] > consensus_ns[:, 0]).all()
    assert (np.diff(consensus_ns, axis=1) >= 0).all()
