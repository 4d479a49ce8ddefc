"""Events as corporate actions: kinds, dates, revisions and what was called off."""

from datetime import UTC, date, datetime

import pytest

from processors.reference.actions.events import Action, Kind, known_at
from processors.reference.announced import actions_of
from processors.reference.load import load
from processors.reference.records import MarketEvent
from tests.support import SHARED


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * 1_000_000_000


def event(kind: str, name: str, value: float | None, *, known: str = "2014-04-23T16:30:00-04:00", text: str = "",
          event_id: str = "e") -> MarketEvent:  # fmt: skip
    return MarketEvent(
        "AAPL:US", event_id, kind, name, ns("2014-06-09T09:30:00-04:00"), ns(known), value, "x", text, ""
    )


def test_each_type_becomes_its_kind_with_the_date_of_the_exchange():
    """Each type becomes its kind, on the exchange's date; macro events are none."""
    found = actions_of([
        event("split", "ratio", 7.0, event_id="a"), event("dividend", "amount", 0.47, event_id="b"),
        event("symbol_change", "ticker", None, text="APPL:US", event_id="c"), event("macro", "cpi", 0.02, event_id="d"),
        event("merger", "amount", 3.0, event_id="m"), event("merger", "ratio", 0.5, text="BUYER:US", event_id="m"),
    ])  # fmt: skip
    day, known = date(2014, 6, 9), ns("2014-04-23T16:30:00-04:00")
    assert found == [
        Action("a", "AAPL:US", Kind.SPLIT, day, known, ratio=7.0),
        Action("b", "AAPL:US", Kind.CASH_DIVIDEND, day, known, amount=0.47),
        Action("c", "AAPL:US", Kind.SYMBOL_CHANGE, day, known, other="APPL:US"),
        Action("m", "AAPL:US", Kind.MERGER, day, known, amount=3.0, ratio=0.5, other="BUYER:US"),
    ]


def test_what_is_called_off_is_no_longer_known():
    """A revision replaces the value from its time on; a withdrawal cancels it; one of nothing is nothing."""
    revised, off = "2014-05-02T12:00:00-04:00", "2014-05-20T12:00:00-04:00"
    found = actions_of([
        event("split", "ratio", 7.0), event("split", "ratio", 5.0, known=revised),
        event("split", "ratio", None, known=off), event("dividend", "amount", None, event_id="never"),
    ])  # fmt: skip

    def ratios(at: str) -> list[float]:
        return [a.ratio for a in known_at(found, ns(at))]

    assert ratios("2014-04-23T16:29:59-04:00") == []
    assert ratios("2014-05-01T12:00:00-04:00") == [7.0]
    assert ratios(revised) == [5.0]
    assert ratios(off) == []


def test_the_public_dividends_and_splits_become_actions():
    """Every dividend and split of the public file becomes an action on its own ex-date."""
    path = SHARED / "market/daily/us_stocks_corporate_actions.parquet"
    if not path.is_file():
        pytest.skip("no recordings: name their folder in MPS_SHARED")
    events = load([path]).events
    found = actions_of(events)
    assert len(found) == len(events)
    assert all(a.action_id.endswith(str(a.ex_date)) for a in found)
