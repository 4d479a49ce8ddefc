"""The weighted median and the MAD against known answers, numpy and their definitions."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.reconcile.robust import lower_weighted_median, mad_normal, median
from tests.reconcile.ticks import COMPILING
from tests.support import SHARED

ROBUST = SHARED / "conformance" / "robust"
PRICES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=32)


def known(name: str) -> dict[str, Any]:
    """Return a file of known answers."""
    path = ROBUST / name
    if not path.is_file():
        pytest.skip(f"known answers are not here: {path.name} (set MPS_SHARED to the folder that has them)")
    answers: dict[str, Any] = json.loads(path.read_text())
    return answers


def test_the_weighted_median_and_the_mad_have_their_known_answers() -> None:
    """Every case of the file: lower weighted median, median and MAD over that of the unit normal."""
    cases = known("weighted_median_mad.json")["cases"]
    assert len(cases) > 5
    for case in cases:
        x, w = np.array(case["x"]), np.array(case["w"])
        order = np.argsort(x, kind="stable")
        x, w = np.ascontiguousarray(x[order]), np.ascontiguousarray(w[order])
        assert lower_weighted_median(x, w, len(x)) == case["lower_weighted_median"], case["name"]
        assert median(x, len(x)) == pytest.approx(case["median"], rel=1e-14), case["name"]
        assert mad_normal(x, len(x)) == pytest.approx(case["mad_normal"], rel=1e-9, abs=1e-15), case["name"]


def test_the_median_has_the_answers_of_published_data() -> None:
    """The cases of statsmodels' own tests that are of the median."""
    answers = known("scale_known_answers.json")
    cases = [c for c in answers["cases"] if c["fn"] == "median"]
    assert cases
    for case in cases:
        x = np.sort(answers["data"][case["data"]])
        assert median(x, len(x)) == pytest.approx(case["expected"], abs=1.5e-4), case
        assert lower_weighted_median(x, np.ones(len(x)), len(x)) == x[(len(x) - 1) // 2]


@COMPILING
@given(PRICES, st.data())
def test_the_weighted_median_is_the_first_price_at_half_of_the_weight(prices: list[float], data: st.DataObject) -> None:
    """Its definition, word by word, with weights whose sums are exact."""
    weights = data.draw(st.lists(st.integers(1, 100), min_size=len(prices), max_size=len(prices)))
    got = lower_weighted_median(
        np.sort(prices), np.array(weights, float)[np.argsort(prices, kind="stable")], len(prices)
    )
    reaching = [p for p in prices if 2 * sum(w for q, w in zip(prices, weights, strict=True) if q <= p) >= sum(weights)]
    assert got == min(reaching)


@COMPILING
@given(PRICES)
def test_the_mad_is_the_median_distance_from_the_median(prices: list[float]) -> None:
    """Walking outwards finds the same distance as numpy by sorting."""
    expected = np.median(np.abs(np.array(prices) - np.median(prices))) / 0.6744897501960817
    assert mad_normal(np.sort(prices), len(prices)) == pytest.approx(expected, rel=1e-12, abs=1e-9)


def test_nothing_has_no_median() -> None:
    """Of no values, all three are NaN."""
    none = np.zeros(0)
    assert np.isnan([lower_weighted_median(none, none, 0), median(none, 0), mad_normal(none, 0)]).all()
