"""Gold rows as the Arrow table that the sink writes."""

import pyarrow as pa

from offline.warehouse.tables import tables
from processors.sinks.decode import _array


def as_table(gold):
    """Return gold rows with the columns of the table ``gold``, but the place of the record."""
    return pa.table({c.name: _array(gold, c) for c in tables()["gold.v1"].columns if c.path})
