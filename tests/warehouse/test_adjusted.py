"""The views of adjusted prices on the real engine, against the library of corporate actions."""

# ruff: noqa: S608 - every value in a query is of this file

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from offline.warehouse.client import Warehouse
from processors.errors import RetryableError
from processors.reference.actions.daily import adjusted_days
from processors.reference.actions.factors import CONVENTIONS, Closes
from processors.reference.announced import actions_of
from processors.reference.records import MarketEvent
from tests.warehouse.test_warehouse import block

SYMBOL, OTHER = "AIG:US", "IBM:US"
DAY_NS = 86_400_000_000_000
OPEN_NS = int(np.datetime64("2014-06-02T13:30", "ns").astype(np.int64))
"""The open of day 0; days follow each other, weekends too: nothing here asks a calendar."""
N = 30


def at(day: float) -> int:
    """Return an instant: the open of a day and a part of a day after it."""
    return OPEN_NS + int(day * DAY_NS)


def event(
    symbol: str, event_id: str, kind: str, day: int, known: float, value: float | None, name: str | None = None
) -> MarketEvent:
    """Return an announcement: what happens at the open of a day, and when it was known."""
    named = name or ("amount" if kind in {"dividend", "spin_off"} else "ratio")
    return MarketEvent(symbol, event_id, kind, named, at(day), at(known), value, "x", "", "test")


EVENTS = [
    event(SYMBOL, "split", "split", 10, 2.0, 6.0), event(SYMBOL, "split", "split", 10, 4.0, 7.0),
    event(SYMBOL, "dividend", "dividend", 15, 12.0, 1.5), event(SYMBOL, "stock", "stock_dividend", 15, 12.5, 0.25),
    event(SYMBOL, "off", "dividend", 20, 12.0, 2.0), event(SYMBOL, "off", "dividend", 20, 18.0, None),
    event(SYMBOL, "late", "spin_off", 22, 25.5, 3.0), event(SYMBOL, "ahead", "split", 40, 1.0, 9.0),
    event(SYMBOL, "earnings", "earnings", 12, 1.0, 5.0, "date"), event(OTHER, "other", "split", 5, 1.0, 3.0),
]  # fmt: skip


def closes_of(symbol: str) -> np.ndarray:
    """Return the closes of the days."""
    return np.round(np.random.default_rng(len(symbol) + ord(symbol[0])).uniform(20, 90, N), 2)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    """Return a warehouse with daily bars of two symbols, minutes of one, and their actions."""
    warehouse = Warehouse.embedded(tmp_path_factory.mktemp("adjusted") / "clickhouse")
    warehouse.create()
    bars = [
        {"symbol_id": s, "tf": "1d", "ts": at(d + 0.25), "revision": r, "c": c + 5.0 * (r - 1), "o": c / 2, "v": 64.0}
        for s in (SYMBOL, OTHER) for d, c in enumerate(closes_of(s)) for r in (1, 0)
    ]  # fmt: skip
    # Before the open of the split's ex-date, and in the minute before its midnight in New York.
    bars += [
        {"symbol_id": OTHER, "tf": "1m", "ts": ts, "revision": 0, "c": 50.0, "v": 8.0}
        for ts in (at(5) - 34_200_000_000_000, at(5) - 3_600_000_000_000)
    ]
    warehouse.insert("bars", block("bars.v1", *bars), "bars")
    # Twice, as a record that was imported again.
    told = [{**dict(zip(FIELDS, (getattr(e, f) for f in FIELDS), strict=True))} for e in EVENTS] * 2
    warehouse.insert("events", block("events.v1", *told), "events")
    yield warehouse
    warehouse.close()


FIELDS = ("symbol_id", "event_id", "type", "name", "ts_event", "ts_known", "value", "unit", "text", "source")


def text(ns: int) -> str:
    """Return an instant as SQL takes it."""
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize("convention", sorted(CONVENTIONS))
@pytest.mark.parametrize("day", [3.5, 10.1, 10.5, 15.5, 20.5, 26.0])
def test_the_view_gives_the_closes_of_the_library_as_known_at_any_time(warehouse, convention, day):
    """Closes and factors of both symbols, before and after each announcement, ex-date, revision and withdrawal."""
    for symbol in (SYMBOL, OTHER):
        known = np.array([at(d + 0.25) for d in range(N)])
        closes = Closes((known // DAY_NS).astype(np.int64), known, closes_of(symbol))
        actions = actions_of(e for e in EVENTS if e.symbol_id == symbol)
        expected = adjusted_days(closes, actions, convention, at(day))
        rows = warehouse.query(
            "SELECT c_raw, c, price_factor, share_factor, v, o FROM "
            f"mps.ohlcv_adjusted(as_of = '{text(at(day))}', convention = '{convention}') "
            f"WHERE symbol_id = '{symbol}' AND tf = '1d' ORDER BY ts"
        )
        columns = np.array(rows).reshape(-1, 6).T
        np.testing.assert_array_equal(columns[0], expected.close)
        np.testing.assert_allclose(columns[1], expected.adjusted, rtol=1e-12)
        np.testing.assert_allclose(columns[2], expected.price_factor, rtol=1e-12)
        np.testing.assert_allclose(columns[3], expected.share_factor, rtol=1e-12)
        np.testing.assert_allclose(columns[4], 64.0 * expected.share_factor, rtol=1e-12)
        np.testing.assert_allclose(columns[5], expected.adjusted / 2, rtol=1e-12)


def test_the_actions_of_the_test_change_the_view():
    """Were the actions left out, the library would give other closes: the comparison can fail."""
    known = np.array([at(d + 0.25) for d in range(N)])
    closes = Closes((known // DAY_NS).astype(np.int64), known, closes_of(SYMBOL))
    actions = actions_of(e for e in EVENTS if e.symbol_id == SYMBOL)
    factors = {c: adjusted_days(closes, actions, c, at(26)).price_factor for c in CONVENTIONS}
    assert len({round(f, 9) for f in factors["ex_close"]}) == 4
    assert abs(factors["ex_close"] - factors["previous_close"]).max() > 1e-5


def test_trade_before_the_open_of_the_ex_date_is_in_new_shares(warehouse):
    """A minute that ends at midnight in New York is adjusted for the split of that day, one before the open is not."""
    rows = warehouse.query(
        f"SELECT c, v FROM mps.ohlcv_adjusted(as_of = '{text(at(11))}', convention = 'previous_close') "
        "WHERE tf = '1m' ORDER BY ts"
    )
    assert rows == [(pytest.approx(50.0 / 3.0), pytest.approx(24.0)), (50.0, 8.0)]


def test_factors_say_when_they_were_known(warehouse):
    """A factor is known at its announcement, or at its reference close where that is later."""
    rows = warehouse.query(
        "SELECT event_id, price_factor, toUnixTimestamp64Nano(announced), toUnixTimestamp64Nano(known) FROM "
        f"mps.corporate_factors(as_of = '{text(at(26))}', convention = 'ex_close') ORDER BY ex, event_id"
    )
    close = closes_of(SYMBOL)
    assert [(e, a, k) for e, _, a, k in rows] == [
        ("other", at(1), at(5.25)), ("split", at(4), at(10.25)), ("dividend", at(12), at(15.25)),
        ("stock", at(12.5), at(15.25)), ("late", at(25.5), at(25.5)),
    ]  # fmt: skip
    expected = [1 / 3, 1 / 7, close[15] / (close[15] + 1.5), 0.8, close[22] / (close[22] + 3.0)]
    np.testing.assert_allclose([r[1] for r in rows], expected)


def test_an_unknown_convention_is_refused_by_name(warehouse):
    """A word that is no convention is an error that says what is one, not an empty answer."""
    with pytest.raises(RetryableError, match="convention is ex_close or previous_close"):
        warehouse.query("SELECT * FROM mps.ohlcv_adjusted(as_of = '2014-07-01 00:00:00', convention = 'close')")


def test_a_table_of_events_is_filled_from_the_topic(warehouse):
    """The table has a column for each field of the record, and what was stored comes back."""
    (row,) = warehouse.query("SELECT DISTINCT value, name FROM mps.events WHERE event_id = 'stock'")
    assert row == (0.25, "ratio")
    assert isinstance(warehouse.tables["events.v1"].columns[0].name, str)
    assert pa.types.is_float64(block("events.v1", {"value": 1.0})["value"].type)
