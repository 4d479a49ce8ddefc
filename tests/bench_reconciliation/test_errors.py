"""Errors are taken of what was known at each instant, and of nothing later."""

import numpy as np
import pytest

from bench.reconciliation.errors import as_of, error_of, grid, methods
from bench.reconciliation.known_truth import CONSENSUS, run_one
from bench.reconciliation.scenarios import SCENARIOS
from bench.reconciliation.truth import QUOTES, START_NS, Truth
from bench.reconciliation.vendors import Ticks


def test_a_value_counts_from_its_receipt_on() -> None:
    """Not before it, and a value that is none changes nothing."""
    known, value = np.array([10, 20, 20, 30]), np.array([1.0, 2.0, 3.0, np.nan])
    assert np.array_equal(as_of(known, value, np.array([9, 10, 19, 20, 99])), [np.nan, 1, 1, 3, 3], equal_nan=True)
    assert np.isnan(as_of(known[:0], value[:0], known)).all()


def test_the_errors_are_those_of_the_definition() -> None:
    """Off by 1, 3 and 0 bp of the truth; what is not said does not count."""
    truth = Truth(np.full(1000, 100.0))
    at = START_NS + np.arange(4) * 10**9
    error = error_of(np.array([100.01, 99.97, 100.0, np.nan]), truth, at)
    assert (error.rmse, error.mae, error.max) == pytest.approx((np.sqrt(10 / 3), 4 / 3, 3.0))


def test_the_rivals_are_what_they_are_called() -> None:
    """Three vendors of known errors and delays: best by hindsight, plain median, mean, fastest."""
    truth, at = Truth(np.full(100_000, 100.0)), grid(100.0)
    n = len(at)
    vendor = np.repeat([0, 1, 2], n)
    event = np.tile(at - 10**9, 3)
    value = np.repeat([100.01, 100.02, 100.06], n)
    order = np.argsort(event + vendor * 10**6, kind="stable")
    recv = event + np.array([3, 2, 1])[vendor] * 10**6
    ticks = Ticks(*(x[order] for x in (vendor, event, recv, value, value, value)))
    found = methods(ticks, 3, truth, at)
    assert {k: round(e.rmse, 6) for k, e in found.items()} == {
        "best vendor": 1.0, "plain median": 2.0, "mean": 3.0, "fastest vendor": 6.0,
    }  # fmt: skip


def test_a_simulation_is_the_same_each_time() -> None:
    """Through the stage of production, to the last bit; and its error is a small number of basis points."""
    one, same = (run_one(QUOTES, SCENARIOS[0], 3, 1, 120.0) for _ in range(2))
    for name, error in one.items():
        assert np.array_equal(error, same[name])
    assert 0.01 < one[CONSENSUS][0] < 2.0
