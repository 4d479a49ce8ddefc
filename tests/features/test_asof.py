"""As-of joins against obvious walks through all rows, against pandas, and never a row from the future."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.features.asof import join, known_join, positions
from offline.features.asof_keys import DIRECTIONS, AsofCallError, AsofDataError

TIMES = st.lists(st.tuples(st.integers(-6, 6), st.integers(0, 2)), max_size=12)
LIMITS = st.sampled_from([None, 0, 1, 3])


def sides(left, right, kind=np.int64):
    """Return both sides as frames: time, group and the number of the row."""
    made = []
    for name, given_rows in (("left_row", left), ("right_row", right)):
        rows = sorted(given_rows, key=lambda r: r[0])
        made.append(
            pd.DataFrame(
                {
                    "t": np.array([r[0] for r in rows], kind),
                    "g": np.array([r[1] for r in rows], np.int64),
                    name: np.arange(len(rows)),
                }
            )
        )
    return made


def oracle(left, right, tolerance, exact, direction):
    """Return the row of right for each row of left: look at all of them."""
    found = []
    for t, g in zip(left["t"].tolist(), left["g"].tolist(), strict=True):
        candidates = []
        for i, (u, h) in enumerate(zip(right["t"].tolist(), right["g"].tolist(), strict=True)):
            apart = abs(u - t)
            if h != g or (tolerance is not None and apart > tolerance) or (not exact and u == t):
                continue
            if (u > t and direction == "backward") or (u < t and direction == "forward"):
                continue
            # Nearest first, then the earlier side; of one time the last row before, the first row after.
            candidates.append((apart, u > t, i if u > t or (direction == "forward") else -i, i))
        found.append(min(candidates)[-1] if candidates else -1)
    return found


@settings(max_examples=120, deadline=None)
@given(TIMES, TIMES, LIMITS, st.booleans(), st.sampled_from(DIRECTIONS), st.sampled_from([np.int64, np.float64]))
def test_every_row_is_the_one_that_a_walk_through_all_rows_finds(left, right, tolerance, exact, direction, kind):
    """Every row is the one that a walk through all rows finds, in each direction, for whole numbers and floats."""
    a, b = sides(left, right, kind)
    found = join(a, b, on="t", by="g", tolerance=tolerance, allow_exact_matches=exact, direction=direction)
    assert found["right_row"].fillna(-1).astype(int).tolist() == oracle(a, b, tolerance, exact, direction)


@settings(max_examples=60, deadline=None)
@given(TIMES, TIMES, LIMITS, st.booleans(), st.sampled_from(DIRECTIONS))
def test_the_frame_is_the_one_of_pandas(left, right, tolerance, exact, direction):
    """The frame is the one of pandas: columns, types, index."""
    a, b = sides(left, right)
    call = {"on": "t", "by": "g", "tolerance": tolerance, "allow_exact_matches": exact, "direction": direction}
    pd.testing.assert_frame_equal(join(a, b, **call), pd.merge_asof(a, b, **call))


@settings(max_examples=120, deadline=None)
@given(TIMES, TIMES, LIMITS, st.booleans())
def test_no_later_row_is_ever_joined_backward(left, right, tolerance, exact):
    """No later row is ever joined backward; with exact matches forbidden, none of the same time."""
    a, b = sides(left, right)
    b["seen"] = b["t"]
    found = join(a, b, on="t", by="g", tolerance=tolerance, allow_exact_matches=exact).dropna()
    assert (found["seen"] <= found["t"]).all()
    assert exact or (found["seen"] < found["t"]).all()


FACTS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 1)), max_size=12)
ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 1)), max_size=8)


def facts_of(facts, rows):
    left = pd.DataFrame(rows, columns=["t", "asked", "g"], dtype="int64")
    right = pd.DataFrame(facts, columns=["event", "told", "g"], dtype="int64").assign(row=np.arange(len(facts)))
    return left, right


@settings(max_examples=80, deadline=None)
@given(FACTS, ROWS)
def test_of_two_times_the_newest_event_that_had_been_told_is_joined(facts, rows):
    """Of two times the newest event that had been told is joined, and of one event the last revision."""
    left, right = facts_of(facts, rows)
    found = known_join(left, right, on="t", as_of="asked", event="event", knowledge="told", by=["g"])
    for i, (t, asked, g) in enumerate(rows):
        seen = [(e, k, j) for j, (e, k, h) in enumerate(facts) if h == g and e <= t and k <= asked]
        expected = max(seen)[2] if seen else -1
        assert found["row"].fillna(-1).astype(int)[i] == expected


@settings(max_examples=60, deadline=None)
@given(FACTS, ROWS)
def test_no_fact_of_a_later_event_or_told_later_is_ever_joined(facts, rows):
    """No fact of a later event, or told later, is ever joined; what is told later changes no row of before."""
    left, right = facts_of(facts, rows)
    found = known_join(left, right, on="t", as_of="asked", event="event", knowledge="told", by=["g"])
    joined = found.dropna()
    assert (joined["event"] <= joined["t"]).all()
    assert (joined["told"] <= joined["asked"]).all()
    for asked in (2, 5):
        then = known_join(left, right[right["told"] <= asked], on="t", as_of="asked", event="event",
                          knowledge="told", by=["g"])  # fmt: skip
        rows_then = found["asked"] <= asked
        assert found[rows_then]["row"].fillna(-1).tolist() == then[rows_then]["row"].fillna(-1).tolist()


def test_a_row_asks_as_of_its_own_time_where_no_other_is_named():
    """A row asks as of its own time where no other is named: a figure of June told in August is not there in July."""
    months = pd.to_datetime(["2024-07-15", "2024-08-15"])
    left = pd.DataFrame({"ts": months, "symbol": ["A", "A"]})
    right = pd.DataFrame({"end": pd.to_datetime(["2024-03-31", "2024-06-30"]), "symbol": ["A", "A"],
                          "told": pd.to_datetime(["2024-05-02", "2024-08-01"]), "eps": [1.0, 2.0]})  # fmt: skip
    found = known_join(left, right, on="ts", event="end", knowledge="told", by=["symbol"])
    assert found["eps"].tolist() == [1.0, 2.0]
    assert list(found.columns) == ["ts", "symbol", "end", "told", "eps"]


def test_times_of_two_types_are_refused():
    """Times of two types are refused, and so are missing ones and floats."""
    left = pd.DataFrame({"t": [1, 2]})
    right = pd.DataFrame({"event": [1, 2], "told": [1.0, 2.0], "when": [1, None]})
    with pytest.raises(AsofCallError, match="incompatible times"):
        known_join(left, right, on="t", event="event", knowledge="told")
    instants = left.apply(pd.to_datetime), right.apply(pd.to_datetime)
    with pytest.raises(AsofDataError, match="null values on right side"):
        known_join(*instants, on="t", event="when", knowledge="told")
    with pytest.raises(AsofCallError, match="must be a time or a whole number"):
        known_join(left.astype(float), right.astype(float), on="t", event="event", knowledge="told")


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_distances_past_the_largest_int64_are_right(direction):
    """Distances past the largest int64 are right, and unsigned keys keep their order."""
    ends = np.array([-(2**63), 2**63 - 1])
    left, right = (ends[1:], ends[:1]) if direction != "forward" else (ends[:1], ends[1:])
    for tolerance, expected in ((2**64 - 1, 0), (2**64 - 2, -1)):
        one = np.zeros(1, np.int64)
        assert positions(left, right, one, one, 1, tolerance=tolerance, direction=direction).tolist() == [expected]
    big = pd.DataFrame({"t": np.array([1, 2**63, 2**64 - 1], np.uint64), "v": [1, 2, 3]})
    assert join(big, big, on="t", allow_exact_matches=False, tolerance=2**63)["v_y"].fillna(-1).tolist() == [-1, 1, 2]


def test_missing_keys_are_equal_to_missing_keys():
    """Missing keys are equal to missing keys, and to no other."""
    left = pd.DataFrame({"t": [1, 2], "g": [None, 1.0]})
    right = pd.DataFrame({"t": [0, 0], "g": [1.0, None], "v": [10, 20]})
    assert join(left, right, on="t", by="g")["v"].tolist() == [20, 10]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"on": "t", "direction": "sideways"}, "direction invalid: sideways"),
        ({"on": "t", "left_index": True}, 'Can only pass argument "on" OR "left_index"'),
        ({"on": "t", "left_on": "t"}, 'Can only pass argument "on" OR "left_on"'),
        ({"left_on": "t"}, 'Must pass "right_on" OR "right_index".'),
        ({"right_on": "t"}, 'Must pass "left_on" OR "left_index".'),
        ({"left_index": True}, "Must pass right_on or right_index=True"),
        ({"right_index": True}, "Must pass left_on or left_index=True"),
        ({"on": ["t", "g"]}, "can only asof on a key for left"),
        ({"on": "t", "left_by": "g"}, "missing right_by"),
        ({"on": "t", "right_by": "g"}, "missing left_by"),
        ({"on": "t", "by": "g", "left_by": "g"}, "Can only pass by OR left_by and right_by"),
        ({"on": "t", "left_by": ["g", "t"], "right_by": "g"}, "left_by and right_by must be the same length"),
        ({"on": "t", "tolerance": 1.5}, "incompatible tolerance 1.5"),
        ({"on": "c"}, "key must be integer, timestamp or float"),
        ({"on": "t", "suffixes": ("", "")}, "columns overlap but no suffix specified"),
        ({"on": "t", "suffixes": ("_2", "_3")}, "Passing 'suffixes' which cause duplicate columns"),
    ],
)  # fmt: skip
def test_a_call_that_cannot_be_meant_is_refused(call, words):
    """A call that cannot be meant is refused, with the words that say why."""
    frame = pd.DataFrame({"t": [1, 2], "g": [1, 2], "g_2": [1, 2], "c": pd.Categorical(["a", "b"])})
    with pytest.raises(AsofDataError) as refused:
        join(frame, frame.drop(columns="g_2"), **call)
    assert str(refused.value).startswith(words)


def test_keys_given_in_every_way_find_the_same_rows():
    """Keys given in every way find the same rows: column, index, level of an index, values."""
    left, right = sides([(1, 0), (5, 0), (9, 1)], [(0, 0), (4, 1), (5, 0)])
    expected = join(left, right, on="t")["right_row"].tolist()
    ways = {
        "column": (left, {"left_on": "t"}), "index": (left.set_index("t"), {"left_index": True}),
        "level": (left.set_index(["t", "g"]), {"left_on": "t"}), "values": (left, {"left_on": left["t"].to_numpy()}),
    }  # fmt: skip
    rights = {
        "column": (right, {"right_on": "t"}), "index": (right.set_index("t"), {"right_index": True}),
        "level": (right.set_index(["t", "g"]), {"right_on": "t"}),
    }  # fmt: skip
    for (a, way), (b, other) in itertools.product(ways.values(), rights.values()):
        assert join(a, b, **way, **other)["right_row"].tolist() == expected
