"""Public files as events: times of happening and of knowledge, and joins that never know too early."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from offline.facts import Facts
from processors.reference.events import session_times
from processors.reference.load import load
from processors.reference.table import ReferenceFileError
from processors.sessions import sessions
from tests.support import SHARED

MARKET = SHARED / "market"
FILES = {
    "vix": MARKET / "macro/vix_daily.parquet", "indexes": MARKET / "macro/us_indexes_daily.parquet",
    "curve": MARKET / "macro/us_treasury_curve_daily.parquet", "policy": MARKET / "reference/us_policy_rate.csv",
    "actions": MARKET / "daily/us_stocks_corporate_actions.parquet",
}  # fmt: skip
pytestmark = pytest.mark.skipif(not MARKET.is_dir(), reason="no recordings: name their folder in MPS_SHARED")


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * 1_000_000_000


@pytest.fixture(name="facts", scope="module")
def _facts() -> dict[str, Facts]:
    return {name: Facts(load([path]).events) for name, path in FILES.items()}


def test_every_row_of_the_public_files_becomes_its_events(facts):
    """Every price, yield, rate, dividend and split of the public files is an event, none before it was known."""
    counts = {name: len(f.records) for name, f in facts.items()}
    assert counts == {"vix": 4 * 6802, "indexes": 4 * 9058, "curve": 58_473, "policy": 56, "actions": 17_480 + 351}
    for f in facts.values():
        assert all(r.ts_known >= r.ts_event for r in f.records)


def test_a_close_is_known_at_the_close_of_its_session_and_not_before(facts):
    """The VIX of a day is known at the close, 15:15 Chicago; a nanosecond earlier the day before is what is known."""
    close = ns("2014-05-02T15:15:00-05:00")
    at = np.array([close - 1, close], np.int64)
    assert facts["vix"].join(["VIX:INDEX"] * 2, "index.close", at).tolist() == [13.25, 12.91]
    assert np.isnan(facts["vix"].join(["VIX:INDEX"], "index.close", np.array([ns("1990-01-02T15:00:00-06:00")])))


def test_yields_are_known_in_the_evening_and_a_rate_on_the_afternoon_of_its_day(facts):
    """Yields are known at 18:00 and a policy rate at 16:00 New York; the day before is used until then."""
    curve, policy = facts["curve"], facts["policy"]
    evening = ns("2012-05-02T18:00:00-04:00")
    before = curve.newest("TREASURY:US", "rate.10year", evening - 1)
    after = curve.newest("TREASURY:US", "rate.10year", evening)
    assert before.event_id.endswith("2012-05-01")
    assert after.event_id.endswith("2012-05-02")
    afternoon = ns("2023-07-27T16:00:00-04:00")
    rates = policy.join(["POLICY:US"] * 2, "policy.primary_credit", np.array([afternoon - 1, afternoon]))
    assert rates.tolist() == [0.0525, 0.055]


def test_a_split_without_announcement_is_known_from_the_open_of_its_ex_date(facts):
    """The split of AAPL on 2014-06-09 is known from that open, since the file has no day of announcement."""
    actions = facts["actions"]
    opens = ns("2014-06-09T09:30:00-04:00")
    found = actions.newest("AAPL:US", "split.ratio", opens)
    assert (round(found.value), found.ts_known) == (7, opens)
    earlier = actions.newest("AAPL:US", "split.ratio", opens - 1)
    assert earlier.event_id == "AAPL:US split 2005-02-28"
    assert actions.next("AAPL:US", "split.ratio", opens - 1) is None


def test_no_event_is_joined_before_its_session_closed(facts):
    """Of every day of the index files, nothing is found before the close of that very day."""
    for symbol, name, calendar in (("SPX:INDEX", "indexes", "XNYS"), ("VIX:INDEX", "vix", "XCBF")):
        closes = np.unique(sessions(calendar).session_close_ns)
        closes = closes[(closes > ns("2000-01-01T00:00:00+00:00")) & (closes < ns("2016-12-30T00:00:00+00:00"))]
        by_close = {r.ts_known: r.value for r in facts[name].records if r.symbol_id == symbol and r.name == "close"}
        # The calendar has sessions that the file lacks: the days after 11 September 2001.
        closes = closes[np.isin(closes, list(by_close))]
        assert len(closes) > 4200
        values = facts[name].join([symbol] * len(closes), "index.close", closes)
        before = facts[name].join([symbol] * len(closes), "index.close", closes - 1)
        assert values.tolist() == [by_close[c] for c in closes.tolist()]
        assert before[1:].tolist() == values[:-1].tolist()


def test_a_day_without_session_counts_as_the_next_one():
    """A day without a session counts as the next session; a date beyond the calendar is refused."""
    assert session_times("XCBF", date(2004, 6, 11)) == session_times("XCBF", date(2004, 6, 14))
    with pytest.raises(ValueError, match="sessions of XNYS"):
        session_times("XNYS", date(2060, 1, 4))
    with pytest.raises(ValueError, match="sessions of XNYS"):
        session_times("XNYS", date(1970, 1, 5))


def test_stock_prices_are_not_taken_for_an_index(tmp_path):
    """A file of daily bars of shares is refused by its symbol, and one with more columns by its columns."""
    path = tmp_path / "bars.csv"
    path.write_text("date,symbol,open,high,low,close\n2014-05-02,AIG,53,54,52,53.5\n")
    with pytest.raises(ReferenceFileError, match="row 2: column symbol is 'AIG': one of VIX"):
        load([path])
    with pytest.raises(ReferenceFileError, match="row 1: column"):
        load([MARKET / "daily" / "us_stocks_daily_vendor2.parquet"])
