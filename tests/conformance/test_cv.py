"""Splits against the known answers, and the check itself against wrong ones."""

import datetime as dt
import json

import pandas as pd
import pytest

from tests.conformance.kinds.cv import check, offset_of

WALK = {"params": {"test_size": 2, "train_size": 3}, "n": 7,
        "expected": [{"train": [0, 1, 2], "test": [3, 4]}, {"train": [2, 3, 4], "test": [5, 6]}]}  # fmt: skip
CHOICE = {"params": {"n_folds": 3, "n_test_folds": 2}, "n": 6,
          "expected": [{"train": [4, 5], "tests": [[0, 1], [2, 3]]}, {"train": [2, 3], "tests": [[0, 1], [4, 5]]},
                       {"train": [0, 1], "tests": [[2, 3], [4, 5]]}]}  # fmt: skip
MONTHS = {"index": [str(d.date()) for d in pd.date_range("2022-01-01", "2022-04-30")],
          "params": {"test_size": 1, "train_size": 2, "freq": "<MonthBegin>", "freq_offset": None},
          "n_splits": 1, "expected": [{"train_first": "2022-01-01", "train_last": "2022-02-28",
                                       "test_first": "2022-03-01", "test_last": "2022-03-31"}]}  # fmt: skip


def answers(folder, **groups):
    """Return what the check says of a file with these groups of cases."""
    (folder / "cv").mkdir(exist_ok=True)
    (folder / "cv" / "some.json").write_text(json.dumps(groups))
    return {c.name.removeprefix("some.json "): c for c in check(folder)}


def test_every_known_answer_is_ours(shared):
    """Every known answer is ours."""
    cases = list(check(shared))
    assert len(cases) >= 83
    assert [c for c in cases if not c.ok] == []


def test_right_tables_pass_and_wrong_ones_are_seen(tmp_path):
    """Tables worked out by hand pass; one with a row too many fails, and it alone."""
    right = answers(tmp_path, walk=[WALK], choice=[CHOICE], months=[MONTHS])
    assert len(right) == 3 + 4 + 2
    assert all(c.ok for c in right.values())
    wrong = WALK | {"expected": [WALK["expected"][0], {"train": [1, 2, 3, 4], "test": [5, 6]}]}
    late = MONTHS | {"expected": [MONTHS["expected"][0] | {"test_last": "2022-04-01"}]}
    few = CHOICE | {"expected": CHOICE["expected"][:2]}
    found = answers(tmp_path, walk=[wrong], choice=[few], months=[late])
    assert {name for name, c in found.items() if not c.ok} == {
        "walk 0 split 1",
        "choice 0 n_splits",
        "months 0 split 0",
    }


def test_what_is_unknown_fails_by_name(tmp_path):
    """Splits, attributes, parameters and offsets that we lack are failing cases that say so."""
    found = answers(
        tmp_path, a=[{"surprise": 1}], b=[{"params": {"n_folds": 3, "n_test_folds": 2}, "colour": [1]}],
        c=[WALK | {"params": {"test_size": 1, "train_size": 1, "shuffle": True}}],
        d=[MONTHS | {"params": MONTHS["params"] | {"freq": "<Fortnight>"}}],
    )  # fmt: skip
    assert [c.ok for c in found.values()] == [False] * 4
    assert "we have no such splits: surprise" in found["a 0"].detail
    assert "b 0 colour" in found
    assert "shuffle" in found["c 0"].detail
    assert "no offset 'Fortnight'" in found["d 0"].detail


@pytest.mark.parametrize("offset", [
    pd.offsets.Week(weekday=4), pd.offsets.Week(48), pd.DateOffset(years=1), pd.DateOffset(months=2, days=1),
    pd.offsets.QuarterEnd(startingMonth=3), pd.offsets.SemiMonthEnd(), pd.offsets.BDay(2),
    pd.offsets.WeekOfMonth(week=2),
    pd.offsets.MonthBegin(3), dt.timedelta(days=2, seconds=3), pd.Timedelta(days=1),
])  # fmt: skip
def test_what_is_printed_of_an_offset_is_read_back(offset):
    """The text of an offset or a span of time gives the same one."""
    day = pd.Timestamp("2022-03-17")
    assert day + offset_of(repr(offset)) == day + offset
    assert offset_of(offset_of(repr(offset))) == offset
