"""Columns before they are filled."""

import numpy as np
import pytest

from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.codec import FlatCodec
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry


def raw_codec():
    """Return the codec of raw ticks, which have every kind of field."""
    entry = load_registry().current("ticks.raw.v1")
    return FlatCodec(entry.schema, entry.id)


def test_a_forgotten_nullable_field_is_null():
    """Nothing was said, so nothing is published: no price of 0, no sequence number 0."""
    columns = Columns.empty(raw_codec().layout, 3)
    assert np.isnan(columns["price"]).all()
    assert (columns["seq"] == NULL_LONG).all()


def test_a_forgotten_string_does_not_encode():
    """A string that was never filled is an error that names it, not whatever string came first in this process."""
    codec = raw_codec()
    columns = Columns.empty(codec.layout, 2)
    for name in ("symbol_id", "vendor", "venue"):
        columns[name] = STRINGS.code("x")
    with pytest.raises(AssertionError, match="field conditions was never filled"):
        codec.encode("ticks.raw.v1", 0, columns, columns["symbol_id"])
