"""Sessions of exchanges: one CSV a calendar, named by it, one row a session with its open, close and break in UTC."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import exchange_calendars as ec
import numpy as np

from processors.errors import ConfigError
from processors.sessions import Sessions, calendar_names, sessions
from tests.conformance.case import Case
from tests.conformance.reading import attempt, rows, said

KIND = "sessions"
Row = tuple[str, str, str, str]
"""Open, close, begin and end of the break, as ISO 8601 in UTC; empty without a break."""


def calendar_of(stem: str) -> str:
    """Return the calendar that a file is named by: case aside, with a minus for the slash that no file name holds."""
    names = {*ec.get_calendar_names(include_aliases=True), *calendar_names()}
    by_stem = {name.replace("/", "-").lower(): name for name in sorted(names)}
    return by_stem.get(stem.lower(), stem.upper())


def check(folder: Path) -> Iterator[Case]:
    """Yield a case for each session of each file, and one for each session of ours between them that it lacks."""
    for path in sorted((folder / KIND).glob("*.csv")):
        yield from attempt(KIND, path.name, _file, path)


def _file(path: Path) -> Iterator[Case]:
    known: dict[str, Row] = {}
    unreadable: set[str] = set()
    for line, row in rows(path, ("session", "open_utc", "close_utc")):
        session = wrong = ""
        try:
            session = row["session"]
            date.fromisoformat(session)
            times = _known(row)
        except ValueError as error:
            wrong = said(error)
        if session in known:
            wrong = f"session {session} stands twice"
        if wrong:
            unreadable.add(session)
            yield Case(KIND, f"{path.name} line {line}", ok=False, detail=wrong)
        else:
            known[session] = times
    try:
        ours = dict(_rows(sessions(calendar_of(path.stem)), min(known, default=""), max(known, default="")))
    except ConfigError as error:
        yield Case(KIND, path.name, ok=False, detail=str(error))
        return
    for session in sorted((known | ours).keys() - (unreadable - known.keys())):
        ok = known.get(session) == ours.get(session)
        detail = "" if ok else f"known {known.get(session)}, ours {ours.get(session)}"
        yield Case(KIND, f"{path.name} {session}", ok, detail)


def _known(row: dict[str, str]) -> Row:
    begin, end, pause, resume = (
        _iso(row.get(name) or "") for name in ("open_utc", "close_utc", "break_start_utc", "break_end_utc")
    )
    if not begin or not end:
        raise ValueError("no open or no close")
    return begin, end, pause, resume


def _iso(text: str) -> str:
    """Return an instant in one form, whichever the file has."""
    if not text:
        return ""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _rows(s: Sessions, first: str, last: str) -> Iterable[tuple[str, Row]]:
    """Yield date and times of our sessions from the first day to the last."""
    labels = s.label_ns.astype("datetime64[ns]").astype("datetime64[D]").astype(str)
    in_span = (labels >= first) & (labels <= last)
    for i in np.flatnonzero(in_span & (s.open_ns == s.session_open_ns)).tolist():
        paused = bool(s.close_ns[i] != s.session_close_ns[i])
        times = [s.session_open_ns[i], s.session_close_ns[i]]
        times += [s.close_ns[i], s.open_ns[i + 1]] if paused else []
        begin, end, pause, resume = (*map(_utc, times), "", "")[:4]
        yield str(labels[i]), (begin, end, pause, resume)


def _utc(ns: np.int64) -> str:
    return datetime.fromtimestamp(int(ns) / 1e9, UTC).isoformat()
