"""Robust statistics against the known answers, and the check itself against wrong ones."""

import json

import pytest

from tests.conformance.kinds.robust import check, estimator_of

WEIGHTED = {"name": "three", "x": [3.0, 1.0, 2.0], "w": [1.0, 1.0, 2.0], "lower_weighted_median": 2.0,
            "averaged_weighted_median": 2.0, "median": 2.0, "mad_raw": 1.0, "mad_normal": 1.4826022185056}  # fmt: skip
FUNCTIONS = {"mean": 2.0, "median": 2.0, "mad": 1.4826, "iqr (interquartile range / 1.3489795003921634)": 0.7413,
             "Qn scale": 2.2191, "Huber proposal 2 location (c 1.5)": 2.0, "Hampel location": 2.0}  # fmt: skip


def written(folder, *cases):
    """Write cases of both kinds into a folder of known answers and return it."""
    (folder / "robust").mkdir()
    (folder / "robust" / "some.json").write_text(json.dumps({"data": {"d": [1.0, 2.0, 3.0]}, "cases": cases}))
    return folder


def test_every_known_answer_is_ours(shared):
    """Every known answer is ours."""
    cases = list(check(shared))
    assert len(cases) >= 9 + 5 * 6
    assert [c for c in cases if not c.ok] == []


def test_right_answers_pass(tmp_path):
    """Answers worked out by hand pass, one case a number, without any file of known answers."""
    folder = written(tmp_path, WEIGHTED, *({"fn": f, "data": "d", "expected": e} for f, e in FUNCTIONS.items()))
    cases = list(check(folder))
    assert len(cases) == 5 + len(FUNCTIONS)
    assert [c for c in cases if not c.ok] == []


@pytest.mark.parametrize("key", [k for k in WEIGHTED if k not in ("name", "x", "w")])
def test_a_wrong_number_is_seen(tmp_path, key):
    """A number that is a little off fails, and it alone."""
    folder = written(tmp_path, WEIGHTED | {key: WEIGHTED[key] + 1e-9})
    assert [c.name.split()[-1] for c in check(folder) if not c.ok] == [key]


@pytest.mark.parametrize("fn", FUNCTIONS)
def test_a_wrong_published_number_is_seen(tmp_path, fn):
    """A published number that is off in the fourth decimal fails."""
    folder = written(tmp_path, {"fn": fn, "data": "d", "expected": FUNCTIONS[fn] + 4e-4})
    assert [c.ok for c in check(folder)] == [False]


def test_a_function_that_we_lack_fails_and_no_folder_is_no_case(tmp_path):
    """A function or a statistic that we lack is a failing case; an empty folder yields nothing."""
    assert list(check(tmp_path)) == []
    folder = written(tmp_path, {"fn": "biweight midvariance", "data": "d", "expected": 1.0},
                     {"name": "n", "x": [1.0], "w": [1.0], "trimmed_mean": 1.0})  # fmt: skip
    assert [c.ok for c in check(folder)] == [False, False]
    assert estimator_of("biweight midvariance") is None
