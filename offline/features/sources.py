"""Where rows of features are published, and how each kind of them is read: one entry a topic.

    gold.v1    what featurize and regime make of the bars of one symbol
    cross.v1   what cross makes of the bars of all symbols that close together

A pack is of one of them: no row has features of both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from processors.errors import ConfigError
from processors.missing import F64, I64
from schemas.features import Pack
from schemas.freshness import ROW_KNOWN_AFTER_NS


@dataclass(frozen=True, slots=True)
class RowSource:
    """A topic of feature rows.

    Parameters
    ----------
    kind
        Table of the warehouse, and first part of the keys in Redis.
    quality
        Name of a quality -> field of the row that has it; the others are null.
    waited
        Field that says for how many seconds the row may have been held; empty where none is.
    unnamed_pack_id
        Pack of the rows that name none, of before rows did; empty where ``pack_hash`` says it.
    """

    topic: str
    kind: Literal["gold", "cross"]
    quality: Mapping[str, str]
    waited: str = ""
    unnamed_pack_id: str = ""


GOLD = RowSource(
    "gold.v1", "gold", {name: f"quality.{name}" for name in ("stale", "outlier_frac", "n_src", "lat_ms", "gap")}
)
CROSS = RowSource("cross.v1", "cross", {"stale": "stale"}, "waited_s", "cross_section_v1")


def known_ns(ts_ns: I64, waited_s: F64 | float = 0.0) -> I64:
    """Return from when on rows can be known, shape (n,): what a caller at that time could have had.

    By event time alone, so that it is the same live, in a replay and in a back-fill: the end of the bar, the time that
    the platform waits for late ticks, and as long as the row was held for others.
    """
    return ts_ns + ROW_KNOWN_AFTER_NS + np.asarray(np.asarray(waited_s) * 1e9, np.int64)


def source_of(pack: Pack) -> RowSource:
    """Return where the rows of a pack are.

    Raises
    ------
    ConfigError
        Its features are of both.
    """
    of_cross = [f.name for f in pack.features if f.source == "cross"]
    if not of_cross:
        return GOLD
    if len(of_cross) < len(pack.features):
        other = next(f.name for f in pack.features if f.source != "cross")
        raise ConfigError(
            pack.pack_id, "features", f"{of_cross[0]} of cross.v1 and {other} of gold.v1",
            "features of one of them: no row has both",
        )  # fmt: skip
    return CROSS
