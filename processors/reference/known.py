"""The as-of join with two times: of the facts known by then, the newest that has happened by then.

Facts of one key lie in order of event time; each has a time from which it was known and one from which it was replaced.
The last event at or before ``at`` is found by halving; the last of those that was known by ``known`` by a tree of the
smallest time of knowledge of every block, so a question costs O(log n) however late the facts were known.

    event time   |--a--b-----c--d--|      at = d's time, known = before c and d were announced: the answer is b
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.runtime.compiled import Int, kernel

I64 = NDArray[np.int64]

NEVER_NS = 2**63 - 1


@njit(inline="always")
def _last_known(tree: I64, leaves: Int, end: Int, known_ns: Int) -> Int:
    """Return the last position before ``end`` that was known, or -1."""
    node = leaves + end
    while node > 1:
        while node > 1 and node & 1 == 0:
            node >>= 1
        if node <= 1:
            break
        node -= 1
        if tree[node] <= known_ns:
            while node < leaves:
                node = 2 * node + 1
                if tree[node] > known_ns:
                    node -= 1
            return node - leaves
    return -1


@njit(inline="always")
def _first_known(tree: I64, leaves: Int, begin: Int, known_ns: Int) -> Int:
    """Return the first position from ``begin`` on that was known, or -1."""
    node = leaves + begin
    while True:
        if tree[node] <= known_ns:
            while node < leaves:
                node = 2 * node
                if tree[node] > known_ns:
                    node += 1
            return node - leaves
        while node & 1 == 1:
            node >>= 1
        if node == 0:
            return -1
        node += 1


@njit(inline="always")
def _after(ts_event: I64, begin: Int, end: Int, at_ns: Int) -> Int:
    """Return the first position in [begin, end) whose event is after ``at_ns``, or ``end``."""
    low, high = begin, end
    while low < high:
        middle = (low + high) >> 1
        if ts_event[middle] <= at_ns:
            low = middle + 1
        else:
            high = middle
    return low


@njit(inline="always")
def _newest(ts_event: I64, until: I64, tree: I64, leaves: Int, begin: Int, end: Int, at_ns: Int, known_ns: Int) -> Int:
    """Return the fact that holds at ``at_ns`` as known at ``known_ns``, or -1."""
    i = _last_known(tree, leaves, _after(ts_event, begin, end, at_ns), known_ns)
    # One that was replaced by then has its replacement elsewhere: its event was moved, or taken back.
    while i >= begin and until[i] <= known_ns:
        i = _last_known(tree, leaves, i, known_ns)
    return i if i >= begin else -1


@njit(inline="always")
def _next(ts_event: I64, until: I64, tree: I64, leaves: Int, begin: Int, end: Int, at_ns: Int, known_ns: Int) -> Int:
    """Return the next fact after ``at_ns`` that was announced by ``known_ns``, or -1."""
    i = end
    if begin < end:
        i = _first_known(tree, leaves, _after(ts_event, begin, end, at_ns), known_ns)
    while 0 <= i < end and until[i] <= known_ns:
        i = _first_known(tree, leaves, i + 1, known_ns)
    if not 0 <= i < end:
        return -1
    # Of several facts of that instant, the last known.
    return _newest(ts_event, until, tree, leaves, begin, end, ts_event[i], known_ns)


@njit(inline="always")
def _facts(first: I64, key: Int) -> tuple[Int, Int]:
    """Return where the facts of a key begin and end; of an unknown key, no facts."""
    if 0 <= key < len(first) - 1:
        return first[key], first[key + 1]
    return first[0], first[0]


@kernel
def newest_of(
    first: I64, ts_event: I64, until: I64, tree: I64, key: I64, at_ns: I64, known_ns: I64, out: I64
) -> None:  # fmt: skip
    """Write the position of the newest fact of each question into ``out``, shape (n_questions,); -1 where none."""
    leaves = len(tree) >> 1
    for q in range(len(key)):
        begin, end = _facts(first, key[q])
        out[q] = _newest(ts_event, until, tree, leaves, begin, end, at_ns[q], known_ns[q])


@kernel
def next_of(
    first: I64, ts_event: I64, until: I64, tree: I64, key: I64, at_ns: I64, known_ns: I64, out: I64
) -> None:  # fmt: skip
    """Write the position of the next fact after ``at_ns`` that was announced by ``known_ns``; -1 where none."""
    leaves = len(tree) >> 1
    for q in range(len(key)):
        begin, end = _facts(first, key[q])
        out[q] = _next(ts_event, until, tree, leaves, begin, end, at_ns[q], known_ns[q])


class Known:
    """Facts, asked as known.

    Parameters
    ----------
    key
        Whose and which fact, shape (n,), from 0 on.
    ts_event, ts_known
        When it happens and from when it was known, ns since the epoch, shape (n,).
    identity
        Which fact it is a revision of, shape (n,): of one identity only the last known counts.
    withdrawn
        Whether it takes its identity back, shape (n,).
    """

    def __init__(
        self, key: I64, ts_event: I64, ts_known: I64, identity: I64, withdrawn: NDArray[np.bool_] | None = None
    ) -> None:
        n = len(key)
        until = _replaced_at(ts_known, identity)
        if withdrawn is not None:
            until[withdrawn] = np.minimum(until, ts_known)[withdrawn]
        self._order: I64 = np.lexsort((np.arange(n), ts_known, ts_event, key)).astype(np.int64)
        n_keys = int(key.max(initial=-1)) + 1
        self._first: I64 = np.searchsorted(key[self._order], np.arange(n_keys + 1)).astype(np.int64)
        self._ts_event: I64 = np.ascontiguousarray(ts_event[self._order], np.int64)
        self._until: I64 = until[self._order]
        self._tree = _smallest(ts_known[self._order])

    def newest(self, key: I64, at_ns: I64, known_ns: I64) -> I64:
        """Return, for each question, the position of the newest fact at ``at_ns`` known by ``known_ns``; -1 for none.

        Arrays have shape (n_questions,); positions are those of the arrays that the facts were made of.
        """
        return self._ask(newest_of, key, at_ns, known_ns)

    def next(self, key: I64, at_ns: I64, known_ns: I64) -> I64:
        """Return, for each question, the position of the first fact after ``at_ns`` announced by ``known_ns``."""
        return self._ask(next_of, key, at_ns, known_ns)

    def _ask(self, ask: object, key: I64, at_ns: I64, known_ns: I64) -> I64:
        out = np.empty(len(key), np.int64)
        assert callable(ask)
        # What is never replaced is so for whoever asks at the end of time, too.
        asked = np.minimum(known_ns, NEVER_NS - 1)
        ask(self._first, self._ts_event, self._until, self._tree, key, at_ns, asked, out)
        found: I64 = np.where(out < 0, -1, self._order[np.maximum(out, 0)] if len(self._order) else -1)
        return found


def _replaced_at(ts_known: I64, identity: I64) -> I64:
    """Return the time from which each fact is replaced by a later revision of the same identity."""
    order = np.lexsort((np.arange(len(ts_known)), ts_known, identity))
    until = np.full(len(ts_known), NEVER_NS, np.int64)
    same = identity[order][1:] == identity[order][:-1]
    until[order[:-1][same]] = ts_known[order[1:][same]]
    return until


def _smallest(ts_known: I64) -> I64:
    """Return the tree: node i has the children 2 i and 2 i + 1, the leaves are the facts; empty leaves are never."""
    # One leaf more than facts, so that the position after the last has a node.
    leaves = 1 << max(1, len(ts_known).bit_length())
    tree = np.full(2 * leaves, NEVER_NS, np.int64)
    tree[leaves : leaves + len(ts_known)] = ts_known
    while leaves > 1:
        below = tree[leaves : 2 * leaves]
        leaves >>= 1
        tree[leaves : 2 * leaves] = below.reshape(-1, 2).min(axis=1)
    return tree
