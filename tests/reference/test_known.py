"""The as-of join with two times against a walk through all facts, and never a fact before it was known."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.reference.known import Known

SMALL = st.integers(0, 12)
FACT = st.tuples(st.integers(0, 2), SMALL, SMALL, st.integers(0, 9), st.booleans())
"""Key, event, known, identity inside the key, withdrawn."""


def visible(facts, known):
    """Return the positions of the facts that were known and not replaced: ten obvious lines."""
    last = {}
    for i, (key, _, ts_known, identity, _) in enumerate(facts):
        best = last.get((key, identity))
        if ts_known <= known and (best is None or ts_known >= facts[best][2]):
            last[key, identity] = i
    return [i for i in last.values() if not facts[i][4]]


def newest_oracle(facts, key, at, known):
    found = [(facts[i][1], facts[i][2], i) for i in visible(facts, known) if facts[i][0] == key and facts[i][1] <= at]
    return max(found)[2] if found else -1


def next_oracle(facts, key, at, known):
    found = [(-facts[i][1], facts[i][2], i) for i in visible(facts, known) if facts[i][0] == key and facts[i][1] > at]
    return max(found)[2] if found else -1


def known_of(facts) -> Known:
    table = np.array([f[:4] for f in facts], np.int64).reshape(-1, 4)
    key, event, ts_known, inside = (np.ascontiguousarray(c) for c in table.T)
    return Known(key, event, ts_known, key * 100 + inside, np.array([f[4] for f in facts], np.bool_))


def questions(rows):
    return [np.array(c, np.int64) for c in zip(*rows, strict=True)]


@settings(max_examples=300, deadline=None)
@given(st.lists(FACT, max_size=40), st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 13), st.integers(-1, 13)),
                                             min_size=1, max_size=20))  # fmt: skip
def test_the_join_finds_what_a_walk_through_all_facts_finds(facts, rows):
    """Newest and next fact are those that a walk through all facts finds, with revisions, moves and withdrawals."""
    ours = known_of(facts)
    assert ours.newest(*questions(rows)).tolist() == [newest_oracle(facts, *row) for row in rows]
    assert ours.next(*questions(rows)).tolist() == [next_oracle(facts, *row) for row in rows]


@settings(max_examples=200, deadline=None)
@given(st.lists(FACT, min_size=1, max_size=60), st.lists(FACT, max_size=20), SMALL, SMALL)
def test_what_is_learned_later_changes_no_earlier_answer(facts, later, at, known):
    """No fact is found before it was known, and facts that become known later change no earlier answer."""
    keys = [0, 1, 2]
    rows = [(k, at, known) for k in keys]
    before = known_of(facts)
    answers = before.newest(*questions(rows))
    assert all(facts[i][2] <= known and facts[i][1] <= at for i in answers if i >= 0)
    later = [(k, e, known + 1 + t, i, w) for k, e, t, i, w in later]
    assert known_of(facts + later).newest(*questions(rows)).tolist() == answers.tolist()


def test_at_the_end_of_time_all_is_known():
    """Whoever asks at the end of time sees the last revision of everything."""
    end = 2**63 - 1
    ours = known_of([(0, 1, 5, 0, False), (0, 2, 9, 1, False), (0, 2, 12, 1, False)])
    assert ours.newest(*questions([(0, end, end), (0, 1, end)])).tolist() == [2, 0]
    assert ours.next(*questions([(0, 1, end), (0, 2, end)])).tolist() == [2, -1]


def test_many_facts_known_in_any_order_agree_with_the_walk():
    """A thousand facts, most of them known long after they happened, agree with the walk."""
    rng = np.random.default_rng(4)
    n = 1000
    facts = [(int(k), int(e), int(e + lag), i, False) for i, (k, e, lag) in enumerate(
        zip(rng.integers(0, 3, n), rng.integers(0, 10_000, n), rng.integers(-500, 5000, n), strict=True))]  # fmt: skip
    rows = [(int(rng.integers(0, 3)), int(a), int(a - rng.integers(0, 4000))) for a in rng.integers(0, 11_000, 100)]
    assert known_of(facts).newest(*questions(rows)).tolist() == [newest_oracle(facts, *r) for r in rows]
