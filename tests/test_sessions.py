"""Sessions against the calendars' own known answers, and the rules of the two markets without an exchange."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from processors.errors import ConfigError
from processors.segments import segment_at
from processors.sessions import calendar_names, sessions
from tests.support import SHARED

KNOWN = sorted((SHARED / "conformance" / "sessions").glob("*.csv"))
NEW_YORK = ZoneInfo("America/New_York")


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def _label(ns: int) -> str:
    return str(np.datetime64(int(ns), "ns").astype("datetime64[D]"))


@pytest.mark.skipif(not KNOWN, reason="no known answers: MPS_SHARED names no folder with conformance/sessions")
@pytest.mark.parametrize("path", KNOWN, ids=lambda p: p.stem)
def test_every_session_opens_closes_and_pauses_when_the_exchange_says(path: Path) -> None:
    """Every session opens, closes and pauses when the exchange says."""
    name = path.stem.upper().replace("24-", "24/")
    got = sessions(name)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    expected = []
    for row in rows:
        begin, end, pause, resume = (row[k] for k in ("open_utc", "close_utc", "break_start_utc", "break_end_utc"))
        pairs = [(begin, pause), (resume, end)] if pause else [(begin, end)]
        expected += [(row["session"], _ns(a), _ns(b), _ns(begin), _ns(end)) for a, b in pairs]
    low, high = rows[0]["session"], rows[-1]["session"]
    labels = [_label(ns) for ns in got.label_ns]
    ours = zip(labels, got.open_ns, got.close_ns, got.session_open_ns, got.session_close_ns, strict=True)
    assert [tuple(r) for r in ours if low <= r[0] <= high] == expected


def test_an_unknown_calendar_is_refused_with_the_names_allowed() -> None:
    """An unknown calendar is refused with the names allowed."""
    with pytest.raises(ConfigError, match=r"'XNOWHERE'.*FX.*METAL.*XNYS"):
        sessions("XNOWHERE")


def test_names_allowed_hold_our_own_calendars_and_the_exchanges() -> None:
    """The names allowed hold our own calendars and the exchanges."""
    assert {"24/7", "CMES", "FX", "METAL", "XNYS"} <= set(calendar_names())


# XSAU, XTKS and XBOM: calendars whose rules reach back or forward less far than ours.
@pytest.mark.parametrize("name", ["24/7", "CMES", "FX", "METAL", "COMEX", "NYSE", "XNYS", "XSAU", "XTKS", "XBOM"])
def test_segments_follow_each_other_inside_their_sessions(name: str) -> None:
    """Segments follow each other inside their sessions, for calendars with bounds and aliases too."""
    got = sessions(name)
    assert len(got) > 250
    assert (got.open_ns < got.close_ns).all()
    assert (got.close_ns[:-1] <= got.open_ns[1:]).all()
    assert (got.session_open_ns <= got.open_ns).all()
    assert (got.close_ns <= got.session_close_ns).all()


def test_a_segment_holds_its_open_and_not_its_close() -> None:
    """A segment holds its open and not its close."""
    s = sessions("XNYS")
    i = 1000
    assert segment_at(s.open_ns, s.close_ns, s.open_ns[i]) == i
    assert segment_at(s.open_ns, s.close_ns, s.open_ns[i] - 1) == -1
    assert segment_at(s.open_ns, s.close_ns, s.close_ns[i] - 1) == i
    assert segment_at(s.open_ns, s.close_ns, s.close_ns[i]) == -1


def test_segment_search_equals_a_walk_through_all_segments() -> None:
    """Segment search equals a walk through all segments, before the first and after the last too."""
    s = sessions("XTKS")
    opens, closes = s.open_ns[:40], s.close_ns[:40]
    for ts in np.linspace(opens[0] - 10**12, closes[-1] + 10**12, 2000).astype(np.int64):
        walk = [i for i in range(40) if opens[i] <= ts < closes[i]]
        assert segment_at(opens, closes, ts) == (walk[0] if walk else -1)


def test_adjacent_sessions_share_their_boundary_with_the_later_one() -> None:
    """Adjacent sessions share their boundary with the later one."""
    s = sessions("FX")
    at = segment_at(s.open_ns, s.close_ns, _ns("2014-05-05T21:00:00"))
    assert _label(s.label_ns[at]) == "2014-05-06"


def test_fx_trades_from_sunday_to_friday_at_five_in_new_york_through_clock_changes() -> None:
    """FX trades from Sunday to Friday at five in New York, through clock changes."""
    s = sessions("FX")
    hours = {
        (a.weekday(), a.hour, b.hour)
        for a, b in ((_local(x), _local(y)) for x, y in zip(s.open_ns, s.close_ns, strict=True))
    }
    assert hours == {(d, 17, 17) for d in (6, 0, 1, 2, 3)}
    lengths = np.unique((s.close_ns - s.open_ns) // 3_600_000_000_000)
    assert lengths.tolist() == [24]


def test_the_fx_session_of_christmas_and_new_year_is_missing() -> None:
    """The FX session of Christmas and New Year is missing, and only those."""
    labels = {_label(ns) for ns in sessions("FX").label_ns}
    assert {"2014-12-24", "2014-12-26", "2014-12-31", "2015-01-02", "2014-04-18"} <= labels
    assert not {"2014-12-25", "2015-01-01"} & labels


def test_an_alias_names_the_sessions_of_our_own_calendar() -> None:
    """An alias names the sessions of our own calendar: gold's exchange closes at noon on Juneteenth."""
    assert np.array_equal(sessions("COMEX").close_ns, sessions("CMES").close_ns)
    assert _ns("2023-06-19T17:00:00") in sessions("COMEX").close_ns


def test_spot_metal_opens_at_six_and_rests_each_day() -> None:
    """Spot metal opens at six and rests each day; its recording begins on a Sunday at 22:00 UTC."""
    s = sessions("METAL")
    at = segment_at(s.open_ns, s.close_ns, _ns("2014-05-04T22:00:00"))
    assert at >= 0
    assert s.open_ns[at] == _ns("2014-05-04T22:00:00")
    assert s.close_ns[at] == _ns("2014-05-05T21:15:00")
    assert segment_at(s.open_ns, s.close_ns, _ns("2014-05-05T21:30:00")) == -1
    closes = {_label(label): _local(ns).time() for label, ns in zip(s.label_ns, s.close_ns, strict=True)}
    days = ("2014-05-09", "2015-09-17", "2015-09-18", "2015-09-21", "2015-09-25")
    assert [closes[d].strftime("%H:%M") for d in days] == ["17:00", "17:15", "17:00", "17:00", "17:00"]
    assert "2014-04-18" not in {_label(ns) for ns in s.label_ns}


def _local(ns: int) -> datetime:
    return datetime.fromtimestamp(int(ns) // 1_000_000_000, NEW_YORK)
