"""Adjusted prices of other vendors, reproduced from the raw prices and actions of one: which convention each keeps.

Their closes are not ours to the cent and their end dates differ, so it is returns that are compared, over the ex-dates
of cash dividends: the other days have the same return in both conventions.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from processors.reference.actions.factors import CONVENTIONS
from tests.conformance.adjusted import Adjusted, ours
from tests.support import SHARED

DAILY = SHARED / "market" / "daily"
RAW, OTHERS = DAILY / "us_stocks_daily.parquet", DAILY / "us_stocks_adjclose_other_vendors.parquet"
KEPT = {"pypfopt": "previous_close", "skfolio": "previous_close"}
"""The convention that each vendor keeps."""

APART = 2e-4
"""Relative; where the conventions differ by more in a return, a vendor's rounding does not hide which it is."""
NEAR = 1e-3
"""Relative; a return further off than this is another close or dividend, not another convention."""

pytestmark = pytest.mark.skipif(
    not (RAW.is_file() and OTHERS.is_file()), reason=f"no prices of other vendors in {DAILY}: MPS_SHARED"
)


class Errors(NamedTuple):
    """Relative errors of our returns into each common row of all symbols, by convention; and what rows they are."""

    by: dict[str, NDArray[np.float64]]
    is_ex_date: NDArray[np.bool_]
    is_split: NDArray[np.bool_]


def errors_of(vendor: str) -> Errors:
    """Return how far our returns are from a vendor's."""
    told = pd.read_parquet(OTHERS, filters=[("vendor", "==", vendor)]).astype({"symbol": str})
    raw = pd.read_parquet(RAW, filters=[("symbol", "in", sorted(set(told.symbol)))]).astype({"symbol": str})
    parts = []
    for symbol, own in raw.groupby("symbol"):
        rows = own.sort_values("date").reset_index(drop=True)
        theirs = rows.date.map(told[told.symbol == symbol].set_index("date").adj_close).to_numpy(float)
        both = ~np.isnan(theirs[1:]) & ~np.isnan(theirs[:-1])
        close, cash, split, volume = (rows[c].to_numpy(float) for c in ("close", "dividend", "split", "volume"))
        days = [str(day) for day in rows.date]
        one = Adjusted(str(symbol), days, close[:, None], close[:, None], volume, None, cash, split)
        by = {}
        for convention in CONVENTIONS:
            adjusted = ours(one, convention).price[:, 0]
            by[convention] = np.abs(adjusted[1:] / adjusted[:-1] / (theirs[1:] / theirs[:-1]) - 1)[both]
        parts.append(Errors(by, (cash[1:] != 0)[both], (split[1:] != 1)[both]))
    by = {c: np.concatenate([p.by[c] for p in parts]) for c in CONVENTIONS}
    return Errors(by, *(np.concatenate([p[i] for p in parts]) for i in (1, 2)))


@pytest.mark.parametrize("vendor", KEPT)
def test_the_returns_of_another_vendor_are_ours_in_the_convention_that_it_keeps(vendor: str) -> None:
    """Over ex-dates our returns in the vendor's convention are its own, and nearer to them than in the other."""
    kept = KEPT[vendor]
    (other,) = set(CONVENTIONS) - {kept}
    found = errors_of(vendor)
    ours_kept, ours_other = found.by[kept][found.is_ex_date], found.by[other][found.is_ex_date]
    assert len(ours_kept) > 500
    assert np.median(ours_kept) < np.median(ours_other) / 4
    apart = (np.abs(ours_kept - ours_other) > APART) & (np.minimum(ours_kept, ours_other) < NEAR)
    assert apart.sum() > 40
    assert np.mean(ours_kept[apart] < ours_other[apart]) > 0.95


@pytest.mark.parametrize("vendor", KEPT)
def test_splits_and_plain_days_of_another_vendor_are_ours(vendor: str) -> None:
    """Every split has the vendor's return, and so have 98 of 100 days without an event."""
    found = errors_of(vendor)
    off = found.by[KEPT[vendor]]
    assert found.is_split.sum() >= 14
    assert off[found.is_split].max() < NEAR
    assert np.mean(off[~found.is_split & ~found.is_ex_date] < NEAR) > 0.98


def test_every_vendor_of_the_file_has_its_convention_named() -> None:
    """No vendor of the file is left out."""
    assert set(pd.read_parquet(OTHERS, columns=["vendor"]).vendor) == set(KEPT)
