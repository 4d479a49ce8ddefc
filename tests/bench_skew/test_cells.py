"""The comparison of stream and batch sees a single bit, and a feature that is compared with nothing."""

import numpy as np
import pytest

from bench.skew import cells
from processors.cross.config import CrossConfig
from processors.cross.stage import Cross
from processors.featurize.stage import Featurize
from processors.featurize.universe import UNIVERSE
from processors.regime.config import RegimeConfig
from processors.regime.stage import Regime
from processors.runtime.batch import Columns
from schemas.features import load_catalog
from tests.featurize.everything import EveryFeature, facts, market, opened

Rows = dict[str, Columns]


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Return rows of both topics, with all features."""
    featurize, regime, cross = Featurize(EveryFeature()), Regime(RegimeConfig()), Cross(CrossConfig())
    made = featurize.step(opened(featurize, facts()), market()).records
    gold = regime.step(regime.open(), made["features.v1"]).records["gold.v1"]
    return {"gold.v1": gold, "cross.v1": cross.step(cross.open(), made[UNIVERSE]).records["cross.v1"]}


def copy(rows: Rows) -> Rows:
    """Return the same rows in memory of their own."""
    return {topic: r.take(np.arange(len(r))) for topic, r in rows.items()}


def test_all_packs_are_compared_and_all_features() -> None:
    """Every feature of the catalog is in a pack of the comparison."""
    assert {f.name for pack in cells.all_packs() for f in pack.features} == {f.name for f in load_catalog()}


def test_the_same_rows_in_another_order_have_no_skew(rows: Rows) -> None:
    """Rows are matched by symbol, timeframe and time; a missing value equals a missing one."""
    rng = np.random.default_rng(3)
    shuffled = {topic: r.take(rng.permutation(len(r))) for topic, r in rows.items()}
    skews = cells.compare(rows, shuffled, cells.all_packs())
    assert [s.n_differing for s in skews] == [0] * len(skews)
    assert all(s.filled < s.cells for s in skews)


@pytest.mark.parametrize(("topic", "name"), [("gold.v1", "rsi_14_value"), ("cross.v1", "xs_return_rank")])
def test_one_bit_is_seen_and_named(rows: Rows, topic: str, name: str) -> None:
    """The last bit of one cell, or a value where the other has none: the feature is named in each pack that has it."""
    other = copy(rows)
    column = np.asarray(other[topic][f"features.{name}"])
    there, none = (int(np.flatnonzero(mask)[0]) for mask in (~np.isnan(column), np.isnan(column)))
    column[there] = np.nextafter(column[there], np.inf)
    column[none] = 1.0
    skews = cells.compare(rows, other, cells.all_packs())
    having = {pack.pack_id for pack in cells.all_packs() if name in {f.name for f in pack.features}}
    assert {s.pack_id: s.differing for s in skews if s.differing} == {pack: {name: 2} for pack in having}
    assert {f"{pack}: {name} differs in 2 cells" for pack in having} <= set(cells.faults(skews))


def test_a_feature_in_no_row_is_named_and_fails(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Null against null is no comparison: its name is in the table and among the faults, unless a reason is given."""
    other = copy(rows)
    np.asarray(other["gold.v1"]["features.vix_level"])[:] = np.nan
    skews = cells.compare(other, copy(other), cells.all_packs())
    told = [line for line in cells.faults(skews) if "vix_level" in line]
    packs = ("outside_v1", "outside_v2")
    assert told == [f"{pack}: vix_level is in no row: fill it in the sample, or say why not" for pack in packs]
    assert "| vix_level |" in cells.markdown(skews, "")
    monkeypatch.setattr(cells, "NEVER_FILLED", {"vix_level": "nobody is afraid"})
    assert not [line for line in cells.faults(skews) if "vix_level" in line]
    assert "- `vix_level`: nobody is afraid" in cells.markdown(skews, "")


def test_rows_that_one_side_lacks_are_told(rows: Rows) -> None:
    """Another number of rows, or other rows, is an error that says where."""
    fewer = {topic: r.take(slice(1, None)) for topic, r in rows.items()}
    with pytest.raises(AssertionError, match=r"gold.v1: \d+ rows of the stream"):
        cells.compare(rows, fewer, cells.all_packs())
    other = copy(rows)
    np.asarray(other["cross.v1"]["ts"])[5] += 1
    with pytest.raises(AssertionError, match=r"cross.v1: rows differ in ts"):
        cells.compare(rows, other, cells.all_packs())
