"""As-of joins against the known answers, and the check itself against wrong ones."""

import copy
import json

import pytest

from tests.conformance.kinds.asof import check


def frame(index=None, **columns):
    """Return a frame as the files write one: columns of (dtype, values)."""
    told = [{"name": n, "dtype": d, "values": v} for n, (d, v) in columns.items()]
    return {"columns": told, "index": index, "rows": len(told[0]["values"])}


CASE = {
    "id": "by_hand",
    "left": frame(t=("int64", [1, 5, 10]), k=("str", ["a", "b", "a"])),
    "right": frame(t=("int64", [1, 2, 7]), k=("str", ["a", "b", "b"]), v=("int64", [10, 20, 30])),
    "args": {"on": "t", "by": "k", "allow_exact_matches": False},
    "expected": frame(
        t=("int64", [1, 5, 10]), k=("str", ["a", "b", "a"]), v=("float64", [None, 20.0, 10.0])
    ),
    "expected_error": None,
}  # fmt: skip
REFUSED = CASE | {
    "args": {"on": "t", "by": "k", "tolerance": -1},
    "expected": None,
    "expected_error": "MergeError: tolerance must be",
}


def written(folder, *cases):
    """Write cases into a folder of known answers and return it."""
    (folder / "asof").mkdir(exist_ok=True)
    (folder / "asof" / "some.json").write_text(json.dumps({"cases": cases}))
    return folder


def test_every_known_answer_is_ours(shared):
    """Every known answer is ours, refusals included."""
    cases = list(check(shared))
    assert len(cases) >= 97
    assert [c for c in cases if not c.ok] == []


def test_right_answers_pass_and_no_folder_is_no_case(tmp_path):
    """An answer and a refusal worked out by hand pass; an empty folder yields nothing."""
    assert list(check(tmp_path)) == []
    assert [c.ok for c in check(written(tmp_path, CASE, REFUSED))] == [True, True]


@pytest.mark.parametrize(("place", "wrong"), [(0, None), (1, 21.0), (2, 10.000001)])
def test_a_wrong_value_is_seen(tmp_path, place, wrong):
    """A value that is a little off, or missing, fails."""
    case = copy.deepcopy(CASE)
    values = case["expected"]["columns"][2]["values"]
    values[place] = 10.0 if wrong is None else wrong
    assert [c.ok for c in check(written(tmp_path, case))] == [False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"args": {"on": "t", "by": "k"}},
        {"args": {"on": "t"}},
        {"expected": CASE["expected"] | {"index": {"names": ["None"], "values": ["1", "2", "3"]}}},
        {"expected": CASE["expected"] | {"columns": CASE["expected"]["columns"][::-1]}},
        {"expected": frame(t=("int32", [1, 5, 10]), k=("str", ["a", "b", "a"]), v=("float64", [None, 20.0, 10.0]))},
        {"expected": None, "expected_error": "MergeError: tolerance must be"},
        REFUSED | {"expected_error": "ValueError: tolerance must be"},
        REFUSED | {"expected_error": "MergeError: direction invalid"},
    ],
)  # fmt: skip
def test_another_answer_is_seen(tmp_path, wrong):
    """Other arguments, another index, order or type, another refusal or none: each fails."""
    assert [c.ok for c in check(written(tmp_path, CASE | wrong))] == [False]
