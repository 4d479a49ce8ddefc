"""What ``gather`` is handed over by position is what it is called there."""

from inspect import signature

from processors.reconcile.outcome import DISPERSION, FLOAT_ROWS, INT_ROWS, MISSING_SINCE, SHARES
from processors.reconcile.publish import INPUTS, OUTPUTS, gather
from processors.reconcile.shares import WORDS


def test_columns_are_handed_over_in_the_order_of_their_names() -> None:
    """Two that are exchanged would be two fields exchanged in every record."""
    names = list(signature(gather.py_func).parameters)
    out = [name.removeprefix("out_") for name in names if name.startswith("out_")]
    assert out == [*OUTPUTS, "shares"]
    first = len(names) - len(out)
    assert tuple(names[first - len(INPUTS) : first]) == INPUTS


def test_packed_shares_are_the_last_rows_and_no_number_is_among_them() -> None:
    """A name behind them would be written over by the shares of nine sources or more."""
    assert (FLOAT_ROWS, INT_ROWS) == (DISPERSION + 1, SHARES + WORDS)
    assert MISSING_SINCE < SHARES
