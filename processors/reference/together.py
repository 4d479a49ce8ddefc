"""What records say together: no key twice, no security in two states at once, no symbol for two securities at once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TypeVar

import numpy as np

from processors.reference.records import Record, Security
from processors.reference.table import Problem, shown

LOADED = "(loaded already)"


@dataclass(frozen=True, slots=True)
class Placed:
    """A record with the place that it comes from."""

    record: Record
    file: str
    row: int

    @property
    def place(self) -> str:
        """The place in words."""
        return f"row {self.row} of {self.file}" if self.row else "a record that is loaded already"


@dataclass(frozen=True, slots=True)
class Span:
    """Part of the life of a security in which one record holds, as is known at last."""

    begin: int
    end: int
    placed: Placed
    security: Security


_KEY_COLUMN = {"reference.v1": "valid_from", "fundamentals.v1": "period_end", "events.v1": "ts_event"}


def contradictions(placed: Sequence[Placed], there: Sequence[Security] = ()) -> list[Problem]:
    """Return what some records contradict each other in, or what is loaded already."""
    problems = _twice(placed)
    if problems:
        return problems
    keys = {p.record.key for p in placed}
    old = [Placed(s, LOADED, 0) for s in there if s.key not in keys]
    securities = [p for p in (*old, *placed) if isinstance(p.record, Security)]
    problems = _two_states(securities)
    if problems:
        return problems
    spans = held(securities)
    return [
        *_shared(spans, "symbol_id", lambda s: s.symbol_id),
        *_shared(spans, "isin", lambda s: f"{s.isin} {s.mic} {s.currency}" if s.isin and not s.root else ""),
    ]


def _twice(placed: Sequence[Placed]) -> list[Problem]:
    seen: dict[tuple[str, ...], Placed] = {}
    problems = []
    for p in placed:
        key = (p.record.TOPIC, *p.record.key)
        first = seen.setdefault(key, p)
        if first is not p:
            column = _KEY_COLUMN[p.record.TOPIC]
            said = " ".join(p.record.key)
            problems.append(Problem(p.file, p.row, column, shown(said), f"each record once; {first.place} is the same"))
    return problems


def _security(placed: Placed) -> Security:
    assert isinstance(placed.record, Security)
    return placed.record


def _two_states(securities: Sequence[Placed]) -> list[Problem]:
    """Return the records that put a security into two states at one instant, by what was known at one time."""

    def group(p: Placed) -> tuple[str, int]:
        return _security(p).security_id, _security(p).ts_known

    problems = []
    for _, same in groupby(sorted(securities, key=group), key=group):
        ordered = sorted(same, key=lambda p: _security(p).valid_from)
        for a, b in pairwise(ordered):
            if _security(a).end_ns > _security(b).valid_from:
                problems.append(_overlap(a, b, "valid_from", "the span of"))
    return problems


def _overlap(a: Placed, b: Placed, column: str, what: str) -> Problem:
    # What is loaded already cannot be mended in the file.
    wrong, other = (b, a) if b.row else (a, b)
    value = getattr(_security(wrong), column)
    if isinstance(value, int):
        value = str(np.datetime64(value, "ns").astype("datetime64[s]"))
    return Problem(wrong.file, wrong.row, column, shown(value), f"a span that does not overlap {what} {other.place}")


def held(securities: Iterable[Placed]) -> list[Span]:
    """Return, for each security, which record holds when, as is known at last; ascending for each security."""
    by_id: dict[str, list[Placed]] = {}
    for p in securities:
        by_id.setdefault(_security(p).security_id, []).append(p)
    out: list[Span] = []
    for same in by_id.values():
        spans: list[Span] = []
        for p in replaced(same, _security):
            s = _security(p)
            spans = [part for old in spans for part in _without(old, s.valid_from, s.end_ns)]
            spans.append(Span(s.valid_from, s.end_ns, p, s))
        out += sorted(spans, key=lambda x: x.begin)
    return out


T = TypeVar("T")


def replaced(records: Iterable[T], security: Callable[[T], Security]) -> list[T]:
    """Return the records of one security in order of knowledge, without those that a later one replaces.

    A record of the same ``valid_from`` that is known later says the same span anew, so it may end it earlier.
    """
    newest: dict[int, T] = {}
    for record in sorted(records, key=lambda r: security(r).ts_known):
        newest[security(record).valid_from] = record
    return sorted(newest.values(), key=lambda r: (security(r).ts_known, security(r).valid_from))


def _without(span: Span, begin: int, end: int) -> list[Span]:
    """Return what is left of a span outside [begin, end)."""
    if end <= span.begin or span.end <= begin:
        return [span]
    left = [Span(span.begin, begin, span.placed, span.security)] if span.begin < begin else []
    right = [Span(end, span.end, span.placed, span.security)] if end < span.end else []
    return left + right


def _shared(spans: Sequence[Span], column: str, name: Callable[[Security], str]) -> list[Problem]:
    """Return the records by which two securities have one name at one instant; an empty name is none."""
    by_name: dict[str, list[Span]] = {}
    for span in spans:
        if name(span.security):
            by_name.setdefault(name(span.security), []).append(span)
    problems = []
    for same in by_name.values():
        ordered = sorted(same, key=lambda s: s.begin)
        for a, b in pairwise(ordered):
            if a.end > b.begin and a.security.security_id != b.security.security_id:
                problems.append(_overlap(a.placed, b.placed, column, f"another security's {column} in"))
    return problems
