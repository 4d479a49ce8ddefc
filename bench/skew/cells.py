"""Cells of two sets of rows, compared by their bits: a missing value equals a missing one, and no other."""

from dataclasses import dataclass

import numpy as np
import yaml

from processors.runtime.batch import Columns
from processors.runtime.strings import STRINGS
from schemas.features import PACKS_YAML, Pack, load_pack

OF_STAGE = {"cross": "cross.v1"}
GOLD = "gold.v1"
NEVER_FILLED: dict[str, str] = {}
"""Feature -> why the sample cannot fill it. One that is in no row and not here fails the comparison."""


@dataclass(frozen=True, slots=True)
class Skew:
    """Cells of one pack.

    Parameters
    ----------
    filled
        Cells that are not missing.
    empty
        Features that are missing in every row.
    differing
        Features with a cell that differs -> number of such cells.
    """

    pack_id: str
    features: int
    rows: int
    cells: int
    filled: int
    empty: tuple[str, ...]
    differing: dict[str, int]

    @property
    def n_differing(self) -> int:
        """Number of cells that differ."""
        return sum(self.differing.values())

    @property
    def unexplained(self) -> tuple[str, ...]:
        """Features that are in no row, and for no known reason."""
        return tuple(name for name in self.empty if name not in NEVER_FILLED)


def all_packs() -> tuple[Pack, ...]:
    """Return every pack."""
    return tuple(load_pack(name) for name in yaml.safe_load(PACKS_YAML.read_text())["packs"])


def topic_of(pack: Pack) -> str:
    """Return the topic whose rows have a pack."""
    (topic,) = {OF_STAGE.get(f.source, GOLD) for f in pack.features}
    return topic


def packs_of_rows() -> str:
    """Return the names of all packs that gold rows can have, for ``MPS_FEATURE_PACKS``."""
    return ",".join(pack.pack_id for pack in all_packs() if topic_of(pack) == GOLD)


def in_order(rows: Columns) -> Columns:
    """Return rows by symbol, timeframe and time."""
    keys: list[np.ndarray] = [np.asarray(rows["ts"])]
    for name in ("tf", "symbol_id"):
        codes, at = np.unique(np.asarray(rows[name]), return_inverse=True)
        rank = {text: i for i, text in enumerate(sorted(STRINGS.text(int(c)) for c in codes))}
        keys.append(np.array([rank[STRINGS.text(int(c))] for c in codes], np.int64)[at])
    return rows.take(np.lexsort(keys))


def compare(live: dict[str, Columns], offline: dict[str, Columns], packs: tuple[Pack, ...]) -> list[Skew]:
    """Return the skew of each pack, of rows by topic in any order.

    Raises
    ------
    AssertionError
        The two do not have the same rows.
    """
    ordered = {topic: (in_order(live[topic]), in_order(offline[topic])) for topic in live}
    for topic, (some, others) in ordered.items():
        assert len(some) == len(others), f"{topic}: {len(some)} rows of the stream, {len(others)} of the batch"
        for name in ("ts", "symbol_id", "tf"):
            assert np.array_equal(some[name], others[name]), f"{topic}: rows differ in {name}"
    return [_of(pack, *ordered[topic_of(pack)]) for pack in packs]


def _of(pack: Pack, live: Columns, offline: Columns) -> Skew:
    filled, empty, differing = 0, [], {}
    for feature in pack.features:
        a, b = (np.ascontiguousarray(rows[f"features.{feature.name}"]) for rows in (live, offline))
        there = int((~np.isnan(a)).sum())
        filled += there
        if there == 0:
            empty.append(feature.name)
        wrong = int(((a.view(np.int64) != b.view(np.int64)) & ~(np.isnan(a) & np.isnan(b))).sum())
        if wrong:
            differing[feature.name] = wrong
    n = len(pack.features)
    return Skew(pack.pack_id, n, len(live), n * len(live), filled, tuple(empty), differing)


COLUMNS = ("pack", "features", "rows", "cells", "filled", "share filled", "in no row", "differing")


def table(skews: list[Skew]) -> list[tuple[str, ...]]:
    """Return the table's rows as texts in the order of ``COLUMNS``, the sum last."""
    out = []
    for s in skews:
        share = f"{s.filled / s.cells:.1%}" if s.cells else "-"
        named = ", ".join(s.empty) or "none"
        numbers = (f"{s.features}", f"{s.rows:,}", f"{s.cells:,}", f"{s.filled:,}", share)
        out.append((s.pack_id, *numbers, named, f"{s.n_differing:,}"))
    cells, filled = sum(s.cells for s in skews), sum(s.filled for s in skews)
    empty = len({name for s in skews for name in s.empty})
    total = (f"{sum(s.features for s in skews)}", "", f"{cells:,}", f"{filled:,}", f"{filled / max(cells, 1):.1%}")
    out.append(("all", *total, str(empty) if empty else "none", f"{sum(s.n_differing for s in skews):,}"))
    return out


def faults(skews: list[Skew]) -> list[str]:
    """Return what is wrong, a sentence each; empty where stream and batch are one and every feature was seen."""
    out = []
    for s in skews:
        out += [f"{s.pack_id}: {name} differs in {n:,} cells" for name, n in s.differing.items()]
        out += [f"{s.pack_id}: {name} is in no row: fill it in the sample, or say why not" for name in s.unexplained]
    return out


def markdown(skews: list[Skew], introduction: str) -> str:
    """Return the page."""
    numeric = {"features", "rows", "cells", "filled", "share filled", "differing"}
    lines = ["# Skew between the stream and the batch", "", introduction, "", f"| {' | '.join(COLUMNS)} |",
             f"| {' | '.join('---:' if c in numeric else '---' for c in COLUMNS)} |"]  # fmt: skip
    lines += [f"| {' | '.join([row[0] if row[0] == 'all' else f'`{row[0]}`', *row[1:]])} |" for row in table(skews)]
    reasons = [f"- `{name}`: {why}" for name, why in NEVER_FILLED.items() if any(name in s.empty for s in skews)]
    return "\n".join([*lines, *(["", "In no row, and why:", "", *reasons] if reasons else [])]) + "\n"
