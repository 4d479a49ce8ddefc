"""Our calendar of US shares against another publisher's list of holidays and early closes."""

import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from processors.sessions import sessions
from tests.support import SHARED

PATH = SHARED / "market/reference/market_hours.json"


@pytest.mark.skipif(not PATH.is_file(), reason="no recordings: name their folder in MPS_SHARED")
def test_holidays_and_early_closes_of_us_shares_are_those_of_another_list():
    """Every weekday without a session, and every early close since 2000, is in the other list."""
    known = json.loads(PATH.read_text())
    hours = known.get("entries", known)["Equity-usa-[*]"]
    holidays = {datetime.strptime(t, "%m/%d/%Y").replace(tzinfo=UTC).date() for t in hours["holidays"]}
    early = {datetime.strptime(t, "%m/%d/%Y").replace(tzinfo=UTC).date(): c for t, c in hours["earlyCloses"].items()}
    s = sessions("XNYS")
    closes = {
        date.fromisoformat(str(label)): datetime.fromtimestamp(int(ns) // 10**9, ZoneInfo("America/New_York"))
        for label, ns in zip(s.label_ns.astype("datetime64[ns]").astype("datetime64[D]"), s.close_ns, strict=True)
    }
    first, last = min(holidays), max(holidays)
    span = map(date.fromordinal, range(first.toordinal(), last.toordinal() + 1))
    without = {d for d in span if d.weekday() < 5} - closes.keys()
    assert without == {d for d in holidays if d.weekday() < 5}
    # The other list lacks the early closes before 2000, and has one on a Sunday.
    ours = {d: f"{at:%H:%M:%S}" for d, at in closes.items() if d.year >= 2000 and d <= max(early) and at.hour < 16}
    assert ours == {d: close for d, close in early.items() if d.year >= 2000 and d.weekday() < 5}
    assert len(ours) > 50
