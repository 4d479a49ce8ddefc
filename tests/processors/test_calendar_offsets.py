"""Calendars with moving holidays and changed weeks, against dates that their exchanges published."""

import numpy as np

from processors.sessions import calendar_names, sessions


def days(name: str) -> set[str]:
    return set(sessions(name).label_ns.astype("datetime64[ns]").astype("datetime64[D]").astype(str))


def test_every_calendar_of_the_library_is_built():
    """Every calendar that is offered by name is built, none fails on a newer pandas."""
    for name in ("ASEX", "XBEL", "XBSE", "XCYS", "XTAE"):
        assert name in calendar_names()
        assert len(sessions(name)) > 4000


def test_athens_follows_orthodox_easter():
    """Athens is shut on Orthodox Good Friday and Easter Monday, and open on those of Rome where they differ."""
    athens = days("ASEX")
    assert not {"2018-04-06", "2018-04-09", "2021-04-30", "2021-05-03"} & athens
    assert {"2018-04-05", "2018-04-10", "2021-04-29", "2021-05-05"} <= athens


def test_seoul_traded_on_saturdays_up_to_december_1998():
    """Seoul traded on Saturdays up to 5 December 1998, and never after."""
    dates = np.array(sorted(days("XKRX")), "datetime64[D]")
    saturdays = dates[(dates.astype(np.int64) + 3) % 7 == 5]
    assert str(saturdays[-1]) == "1998-12-05"
    assert len(saturdays) > 300


def test_tel_aviv_trades_on_sundays_until_2026_and_on_fridays_from_then():
    """Tel Aviv trades on Sundays until 4 January 2026 and on Fridays from 9 January, never on Yom Kippur."""
    dates = np.array(sorted(days("XTAE")), "datetime64[D]")
    weekday = (dates.astype(np.int64) + 3) % 7
    assert str(dates[weekday == 6][-1]) == "2026-01-04"
    assert str(dates[weekday == 4][0]) == "2026-01-09"
    assert not {"2019-10-09", "2020-09-28", "2021-09-16", "2022-10-05"} & days("XTAE")
