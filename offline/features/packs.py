"""A pack as the service reads it: worked out once, since a hash of hundreds of rows takes a millisecond."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from offline.features.sources import RowSource, source_of
from processors.missing import Mask
from schemas.features import WARMUP, Pack, load_pack

QUALITY = ("stale", "outlier_frac", "n_src", "lat_ms", "gap")
"""Fields of the bar's quality that stand in a table, each as ``quality_NAME``."""
FLAGS = frozenset({"stale", "gap"})
"""Those of them that are true or false."""


@dataclass(frozen=True, slots=True)
class PackView:
    """A pack with all that is the same for every row of it.

    Parameters
    ----------
    names
        Its features, in the pack's order.
    ref
        The pack as a row names it.
    required
        Shape (n_features,): those that a warm row has, of the missing policy ``warmup``.
    source
        Where its rows are published.
    schema
        Columns of a table of its rows; the metadata name the pack and its hash.
    """

    pack: Pack
    pack_id: str
    hash: str
    ref: str
    names: tuple[str, ...]
    required: Mask
    source: RowSource
    schema: pa.Schema


def view_of(pack: Pack) -> PackView:
    """Return the view of a pack.

    Raises
    ------
    ConfigError
        No row has all of its features.
    """
    names = tuple(f.name for f in pack.features)
    required = np.array([f.missing_policy == WARMUP for f in pack.features], np.bool_)
    schema = _schema(pack.pack_id, pack.hash, names)
    return PackView(pack, pack.pack_id, pack.hash, pack.ref, names, required, source_of(pack), schema)


LoadPack = Callable[[str], PackView]


@cache
def load_view(pack_id: str) -> PackView:
    """Return the view of a pack of the catalog.

    Raises
    ------
    ConfigError
        There is no such pack, or it is not what it was locked as.
    """
    return view_of(load_pack(pack_id))


def _schema(pack_id: str, pack_hash: str, names: tuple[str, ...]) -> pa.Schema:
    fields = [pa.field("symbol_id", pa.string()), pa.field("ts", pa.timestamp("ns", "UTC"))]
    fields += [pa.field(name, pa.float64()) for name in names]
    fields += [
        pa.field("known_at", pa.timestamp("ns", "UTC")), pa.field("pack_hash", pa.string()),
        pa.field("warm", pa.bool_()), pa.field("age_ms", pa.float64()),
        pa.field("stale", pa.bool_()),
    ]  # fmt: skip
    fields += [pa.field(f"quality_{name}", pa.bool_() if name in FLAGS else pa.float64()) for name in QUALITY]
    return pa.schema(fields, metadata={"pack_id": pack_id, "pack_hash": pack_hash})
