"""The security master: what a symbol was at one instant, as it was known at another."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.errors import ConfigError
from processors.reference.load import load
from processors.reference.master import SHIPPED, Master, default_master, security_or_refuse
from processors.reference.records import FOREVER_NS, record_of
from schemas.instruments import load_instruments
from tests.contract.test_schemas import examples

BASE = record_of("reference.v1", examples("Security")[0])
DAY = 86_400_000_000_000


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def security(security_id: str, symbol: str, begin: str, end: str = "", known: str = "1990-01-01", **more):
    return replace(
        BASE, security_id=security_id, symbol=symbol, symbol_id=f"{symbol}:US", isin="", valid_from=ns(begin),
        valid_to=ns(end) if end else None, ts_known=ns(known), **more,
    )  # fmt: skip


WM = Master(
    [
        security("WAMU", "WM", "1998-01-02"),
        security("WAMU", "WM", "1998-01-02", "2008-09-26", known="2008-09-25"),
        security("WASTE", "WMI", "1998-01-02", "2009-08-04", known="1998-01-01"),
        security("WASTE", "WM", "2009-08-04", known="2009-07-20"),
    ]
)


@pytest.mark.parametrize(
    ("symbol", "at", "known", "expected"),
    [("WM:US", "2005-05-02", "2020-01-01", "WAMU"), ("WM:US", "2009-01-02", "2020-01-01", None),
     ("WM:US", "2009-08-04", "2020-01-01", "WASTE"), ("WMI:US", "2009-08-03", "2020-01-01", "WASTE"),
     ("WMI:US", "2009-08-04", "2020-01-01", None), ("WM:US", "1997-01-02", "2020-01-01", None),
     # Before the end of the bank was known, its symbol was thought to go on.
     ("WM:US", "2009-01-02", "2008-09-24", "WAMU"), ("WM:US", "2009-08-04", "2009-07-19", None),
     ("WASTE", "2005-05-02", "2020-01-01", "WASTE"), ("NOSUCH:US", "2005-05-02", "2020-01-01", None)],
)  # fmt: skip
def test_a_reused_ticker_means_whoever_had_it_then(symbol, at, known, expected):
    """A re-used ticker means whoever had it at the time, as far as was known; before and between nobody."""
    found = WM.as_of(symbol, ns(at), ns(known))
    assert (found and found.security_id) == expected


def test_the_tickers_of_a_master_are_a_symbol_map():
    """Tickers by date follow the spans; a delisted one ends, one that is in use does not."""
    symbols = WM.symbols()
    assert symbols.security("WM", date(2008, 9, 25)) == "WAMU"
    assert symbols.security("WM", date(2009, 1, 2)) is None
    assert symbols.ticker("WASTE", date(2009, 8, 3)) == "WMI"
    assert symbols.ticker("WASTE", date(2009, 8, 4)) == "WM"
    assert symbols.delisted("WAMU") == date(2008, 9, 25)
    assert symbols.delisted("WASTE") is None


def test_the_universe_holds_what_was_delisted_later():
    """The universe of a day holds what traded then, also what has gone since, and nothing that came later."""
    assert [s.security_id for s in WM.universe(ns("2005-05-02"))] == ["WAMU", "WASTE"]
    assert [s.security_id for s in WM.universe(ns("2010-05-03"))] == ["WASTE"]


def test_the_shipped_list_is_the_default_master_and_the_kernels_instruments():
    """The shipped list is loaded as the default master, and gives kernels the very instruments of before."""
    default_master.cache_clear()
    ours, theirs = default_master().instruments(), load_instruments()
    assert sorted(map(repr, ours.rows)) == sorted(map(repr, theirs.rows))
    assert len(load([SHIPPED]).securities) == len(theirs.rows)
    assert all(s.holds(0) and s.holds(FOREVER_NS - 1) for s in default_master().records)


def test_contracts_of_a_root_come_in_the_order_of_their_last_trade():
    """The contracts of a root that trade at a time come in the order of their last trade."""
    future = record_of("reference.v1", examples("Security")[1])
    contracts = [
        replace(future, security_id=s, symbol_id=s, last_trade=future.last_trade + days * DAY,
                valid_to=future.valid_to + days * DAY)
        for s, days in (("GCG14:CMX", 60), ("GCZ13:CMX", 0), ("GCV13:CMX", -60))
    ]  # fmt: skip
    master = Master([*contracts, BASE])
    found = master.contracts("GC:CMX", future.valid_to - DAY)
    assert [s.symbol_id for s in found] == ["GCZ13:CMX", "GCG14:CMX"]


def test_a_symbol_of_another_time_is_refused_with_its_times():
    """A symbol that meant nothing at the time is refused with when it did, an unknown one with those near it."""
    with pytest.raises(ConfigError, match=r"'WM:US'.*WAMU from 1998-01-02"):
        security_or_refuse(WM, "WM:US", ns("2009-01-02"))
    with pytest.raises(ConfigError, match=r"'WN:US'.*WM:US"):
        security_or_refuse(WM, "WN:US", ns("2009-01-02"))


SPAN = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 8), st.integers(1, 9), st.integers(0, 8))


@settings(max_examples=200, deadline=None)
@given(st.lists(SPAN, max_size=12), st.lists(SPAN, max_size=6), st.integers(0, 12), st.integers(0, 8))
def test_what_is_learned_later_changes_no_earlier_answer(spans, later, at, known):
    """No answer uses a record before it was known, and records of later knowledge change none."""

    def records(rows, offset=0):
        return [
            replace(BASE, security_id=f"S{i}", symbol_id=f"{'ABC'[t]}:US", symbol="ABC"[t], valid_from=b,
                    valid_to=b + n, ts_known=offset + k)
            for i, t, b, n, k in rows
        ]  # fmt: skip

    now, then = records(spans), records(later, known + 1)
    for name in ("A:US", "B:US", "C:US", "S0", "S1"):
        answer = Master(now).as_of(name, at, known)
        assert answer is None or (answer.ts_known <= known and answer.holds(at))
        assert Master([*now, *then]).as_of(name, at, known) == answer
        assert Master(list(reversed(now))).as_of(name, at, known) == answer or _tied(now)


def _tied(records) -> bool:
    keys = [(r.security_id, r.ts_known, r.valid_from) for r in records]
    return len(set(keys)) < len(keys)


def test_times_are_whole_nanoseconds():
    """Spans are compared to the nanosecond: the last instant before a change belongs to the old ticker."""
    change = ns("2009-08-04")
    assert WM.as_of("WMI:US", change - 1) is not None
    assert WM.as_of("WM:US", change) is not None
