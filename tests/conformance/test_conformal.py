"""Conformal intervals against the known answers, and the check itself against wrong ones."""

import json

import numpy as np
import pytest

from tests.conformance.kinds.conformal import check, strategy_of

VECTOR = {"score": "absolute", "calibration_y": [1.0, 2.0, 3.0], "calibration_prediction": [0.0, 0.0, 0.0],
          "test_prediction": [10.0], "intervals": {"0.5": [[8.0, 12.0]], "0.75": [[7.0, 13.0]]}}  # fmt: skip
GAMMA = {"score": "gamma", "calibration_y": [1.0, 2.0, 3.0], "calibration_prediction": [2.0, 2.0, 2.0],
         "test_prediction": [10.0], "intervals": {"0.5": [[5.0, 15.0]]}}  # fmt: skip
STEPS = {"alpha": 0.1, "gamma": 0.5, "start": 0.1, "alpha_before_after_covered": [
    [0.1, 0.15, True], [0.15, 0.0, False], [0.0, 0.05, True]]}  # fmt: skip
LITERAL = {"gamma": 0.1, "alpha": 0.2, "data": "three points, all covered", "result": 0.26, "rtol": 1e-9}
UPSTREAM = ["naive", "split", "prefit", "jackknife", "jackknife_plus", "jackknife_minmax", "jackknife_plus_ab",
            "jackknife_minmax_ab", "jackknife_plus_median_ab", "cv", "cv_plus", "cv_minmax", "cv_plus_median",
            "blockbootstrap_enbpi_mean_wopt", "blockbootstrap_enbpi_median", "blockbootstrap_aci_mean"]  # fmt: skip


def answers(folder, known, table=None):
    """Return what the check says of a file."""
    (folder / "conformal").mkdir(exist_ok=True)
    (folder / "conformal" / "some.json").write_text(json.dumps(known))
    if table is not None:
        (folder / "conformal" / "rows.csv").write_text(table)
    return list(check(folder))


def test_every_known_answer_is_ours(shared):
    """Every known answer is ours."""
    cases = list(check(shared))
    assert len(cases) >= 32 + 300 + 24 + 1
    assert [c for c in cases if not c.ok] == []


def test_right_answers_pass_and_wrong_ones_are_seen(tmp_path):
    """Bounds, steps and the level after covered points, by hand; each of them off is seen."""
    found = answers(tmp_path, {"rule": "the library clips", "cases": [VECTOR, GAMMA, STEPS], "test_literal": LITERAL})
    assert len(found) == 2 + 1 + 3 + 1
    assert [c for c in found if not c.ok] == []
    off = STEPS | {"alpha_before_after_covered": [[0.1, 0.15, True], [0.15, 0.0, True]]}
    wide = VECTOR | {"intervals": {"0.5": [[8.0, 12.0 + 1e-6]], "0.75": [[7.0, 13.0]]}}
    short = GAMMA | {"intervals": {"0.5": []}}
    wrong = answers(tmp_path, {"cases": [wide, short, off], "test_literal": LITERAL | {"result": 0.27}})
    assert [c.ok for c in wrong] == [False, True, False, True, False, False]


@pytest.mark.parametrize("kind", ["regression", "time series"])
@pytest.mark.parametrize("strategy", UPSTREAM)
def test_every_strategy_of_the_source_is_measured(tmp_path, kind, strategy):
    """Each gives a width and a coverage of a small table; what is told wrong fails."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (60, 2))
    y = x @ [1.0, 2.0] + rng.normal(0, 1, 60)
    table = "a,b,y\n" + "".join(f"{p},{q},{r}\n" for (p, q), r in zip(x, y, strict=True))
    case = {"kind": kind, "strategy": strategy, "how": "4 folds, 20 subsamples", "mean_width": -1.0, "coverage": 0.9}
    known = {"data": "rows.csv: 60 rows", "confidence_level": 0.9, "cases": [case]}
    width, coverage = answers(tmp_path, known, table)
    assert not width.ok
    assert 2 < float(width.detail.split(",")[0]) < 6
    assert coverage.ok or 0.8 <= float(coverage.detail.split(",")[0]) <= 1


def test_what_is_unknown_fails_by_name(tmp_path):
    """A score, a strategy, a form of case and a literal without a number are failing cases that name it."""
    cases = [VECTOR | {"score": "laplace"}, {"strategy": "cv_magic"}, {"colour": 1}]
    known = {"data": "rows.csv", "cases": cases, "test_literal": LITERAL | {"data": "some points"}}
    found = answers(tmp_path, known, "a,y\n1,2\n")
    assert [c.ok for c in found] == [False] * 4
    for case, word in zip(found, ("laplace", "magic", "colour", "some points"), strict=True):
        assert word in case.detail
    assert strategy_of("jackknife_plus_median_ab") == ("resamples", "plus", "median", False)
