"""What featurize tells the cross-section of each bar: a row of ``universe.v1``."""

from processors.runtime.batch import F64, I64, Columns
from processors.runtime.layout import Layout

UNIVERSE = "universe.v1"
_TAKEN = (
    ("ts", "ts"), ("symbol_id", "symbol_id"), ("tf", "tf"), ("close", "meta.close"), ("volume", "meta.volume"),
    ("log_return_1", "features.log_return_1"), ("adv_pct", "meta.adv_pct"), ("stale", "quality.stale"),
    ("quality_score", "features.quality_score"),
)  # fmt: skip
"""Field of the row -> field of the feature row."""


def universe_rows(layout: Layout, features: Columns, day: F64, scale: F64, basis_ns: I64) -> Columns:
    """Return a row of the universe for each feature row.

    Parameters
    ----------
    layout
        Of ``universe.v1``.
    day
        Shape (n,), number of the session's day.
    scale
        Shape (n,), shares that one of the symbol's first bar has become: months of closes are told in those.
    basis_ns
        Shape (n,), when the symbol last began anew with another first bar: closes of before are in other shares.
    """
    rows = Columns.empty(layout, len(features))
    for name, taken in _TAKEN:
        rows[name] = features[taken]
    rows["session"], rows["basis_ns"] = day, basis_ns
    for name, times in (("close", scale), ("volume", 1.0 / scale)):
        column: F64 = rows.floats[layout.column[name][1]]
        column *= times
    return rows
