"""Whatever packs rows have, the stages after featurize find in them what they read."""

import numpy as np
import pytest
import yaml

from processors.errors import ConfigError
from processors.featurize.config import FeaturizeConfig
from processors.featurize.stage import READ_ON, Featurize
from processors.featurize.universe import UNIVERSE
from processors.regime.config import RegimeConfig
from processors.regime.stage import RANGE, RETURN, Regime
from processors.runtime.batch import Columns
from schemas.features import FOUNDING_PACK, PACKS_YAML, WARMUP, cross_packs, load_pack
from tests.featurize.conftest import make_bars

N_BARS = 460
ALL = tuple(yaml.safe_load(PACKS_YAML.read_text())["packs"])
OF_ROWS = tuple(p for p in ALL if all(f.source != "cross" for f in load_pack(p).features))
META = ("meta.close", "meta.volume", "meta.spread_bp", "meta.realized_vol", "meta.adv_pct")


def run(*packs: str) -> tuple[Columns, Columns]:
    """Return the rows of the universe and of gold, of one long series."""
    featurize, regime = Featurize(FeaturizeConfig(packs)), Regime(RegimeConfig())
    made = featurize.step(featurize.open(), make_bars(N_BARS, 3)).records
    return made[UNIVERSE], regime.step(regime.open(), made["features.v1"]).records["gold.v1"]


@pytest.fixture(scope="module")
def founding() -> tuple[Columns, Columns]:
    """Return the rows with the founding pack."""
    return run(FOUNDING_PACK)


@pytest.mark.parametrize("pack_id", OF_ROWS)
def test_each_pack_alone_gives_whole_rows(founding: tuple[Columns, Columns], pack_id: str) -> None:
    """Universe, meta and regime are those of the founding pack, bit for bit, and rows become warm with the pack."""
    made = run(pack_id)
    for rows, others in zip(founding, made, strict=True):
        regime = [n for n in rows.layout.names if n.startswith("regime.")]
        for name in (*META, *regime) if regime else rows.layout.names:
            assert np.asarray(others[name]).tobytes() == np.asarray(rows[name]).tobytes(), name
    gold = made[1]
    needed = [f.warmup_bars for f in load_pack(pack_id).features if f.missing_policy == WARMUP]
    config = RegimeConfig()
    first = max([*needed, config.returns_min + config.observations_min + 1])
    assert np.flatnonzero(np.asarray(gold["warm"]))[0] == first - 1
    assert len(np.unique(np.asarray(gold["regime.p_stress"]))) > N_BARS // 2
    assert np.isfinite(np.asarray(gold["features.regime_cluster_id"])[first:]).any()


def test_what_later_stages_read_is_what_every_row_has() -> None:
    """The features that featurize always makes are exactly those that regime reads."""
    assert {f"features.{name}" for name in READ_ON} == {RETURN, RANGE}


def test_an_optional_pack_comes_first(founding: tuple[Columns, Columns]) -> None:
    """A first pack without any feature that has a window makes no row wait; the packs after it do not count."""
    gold = run("outside_v1", FOUNDING_PACK)[1]
    assert np.asarray(gold["warm"]).sum() > np.asarray(founding[1]["warm"]).sum()


def test_a_pack_of_another_stage_is_refused() -> None:
    """Features of cross.v1 are not in feature rows: their pack is named, with what to do."""
    refused = set(ALL) - set(OF_ROWS)
    assert refused
    assert refused == {pack.pack_id for pack in cross_packs()}, "a pack has features of more than one stage"
    for pack_id in refused:
        with pytest.raises(ConfigError, match=f"'{pack_id}': packs of feature rows: leave this one out.*mps run cross"):
            Featurize(FeaturizeConfig((FOUNDING_PACK, pack_id)))
