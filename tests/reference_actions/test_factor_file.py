"""Factor files: read, asked, and extended by an action."""

from datetime import date
from decimal import Decimal

import pytest

from processors.errors import ConfigError
from processors.reference.actions.factor_file import FactorFile, FactorRow, with_dividend, with_split

LINES = ["20140606,0.9,0.1428571,645.57", "20501231,1,1,0"]


def test_a_file_is_written_as_it_was_read():
    """Lines survive a round trip."""
    assert [r.line() for r in FactorFile.parse(LINES).rows] == LINES


def test_a_row_holds_up_to_and_including_its_day():
    """The day after it the next row holds, and after the last row the last."""
    file = FactorFile.parse(LINES)
    assert file.scale(date(2014, 6, 6)) == Decimal("0.9") * Decimal("0.1428571")
    assert file.scale(date(2014, 6, 9)) == 1
    assert file.scale(date(2060, 1, 1)) == 1


def test_the_next_session_has_the_event_of_a_row():
    """Only the row's own day has an event after it; the last row has none."""
    file = FactorFile.parse(LINES)
    assert file.split_ratio(date(2014, 6, 6)) == Decimal("0.1428571")
    assert file.dividend_ratio(date(2014, 6, 6)) == Decimal("0.9")
    assert file.split_ratio(date(2014, 6, 5)) is None
    assert file.split_ratio(date(2050, 12, 31)) is None


def test_a_new_action_scales_all_rows_before_it_and_none_after():
    """A split between two rows makes a row of its own, with the close before it."""
    file = FactorFile.parse(LINES).apply_split(date(2020, 8, 28), Decimal(4), Decimal("499.23"))
    assert [r.line() for r in file.rows] == [
        "20140606,0.9,0.0357143,645.57", "20200828,1,0.25,499.23", "20501231,1,1,0",
    ]  # fmt: skip
    paid = file.apply_dividend(date(2020, 11, 5), Decimal("0.205"), Decimal("119.03"))
    assert [r.price_factor for r in paid.rows] == [
        Decimal("0.8984500"), Decimal("0.9982777"), Decimal("0.9982777"), 1,
    ]  # fmt: skip


def test_an_action_on_the_day_of_a_row_joins_it():
    """Two events of one session share a row."""
    file = FactorFile.parse(LINES).apply_dividend(date(2014, 6, 6), Decimal(1), Decimal("645.57"))
    assert len(file.rows) == 2
    assert file.rows[0].price_factor == Decimal("0.8986059")


def test_rows_with_lost_digits_are_unknown():
    """A factor with an exponent ends the known past; without one nothing is unknown."""
    file = FactorFile.parse(["19990101,1,1e+06", "20140606,0,1", *LINES])
    assert [r.day.year for r in file.rows] == [2014, 2050]
    assert file.minimum_day == date(2014, 6, 5)
    assert FactorFile.parse(LINES).minimum_day is None


@pytest.mark.parametrize("line", ["2014,1,1", "20140606,1", "20140606,x,1", "20140606,-1,1", "20140606,nan,1"])
def test_a_line_that_is_no_row_is_refused_with_its_number(line: str):
    """The error names the line."""
    with pytest.raises(ConfigError, match="line 2"):
        FactorFile.parse([LINES[0], line])


def test_values_that_make_no_factor_are_refused():
    """A dividend lies below the close; a split has shares."""
    row = FactorRow(date(2020, 1, 2), Decimal(1), Decimal(1))
    with pytest.raises(ConfigError, match="dividend"):
        with_dividend(row, Decimal(5), Decimal(5))
    with pytest.raises(ConfigError, match="split"):
        with_split(row, Decimal(0))
    with pytest.raises(ConfigError, match="rows"):
        FactorFile.parse([])
