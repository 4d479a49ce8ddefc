"""What a table refuses to take back: rows of another layout, by other rules, and rows kept under other settings."""

from dataclasses import replace

import numpy as np
import pytest

from processors.bars.config import BarsConfig
from processors.bars.stage import BarsStage
from processors.errors import ConfigError
from processors.featurize.config import FeaturizeConfig
from processors.featurize.stage import Featurize
from processors.reconcile.config import ReconcileConfig
from processors.reconcile.stage import ReconcileStage
from processors.regime.config import RegimeConfig
from processors.regime.stage import Regime
from processors.runtime.stage import Stage
from processors.runtime.state import State, TableSpec
from processors.runtime.strings import STRINGS
from schemas.instruments import load_instruments

SPEC = TableSpec("t", np.array((0,), [("n", "<i8")]), 1)
WIDER = TableSpec("t", np.array((0, 0), [("n", "<i8"), ("m", "<i8")]), 1)


def kept(specs: tuple[TableSpec, ...], settings: str, rules: int = 1) -> dict[bytes, bytes]:
    """Return the changelog of a state with one row in its first table, and one count."""
    state = State(specs, settings, rules)
    if specs[0].key_parts:
        state[specs[0].name].slots(*(np.array([STRINGS.code("EURUSD:FX")]) for _ in range(specs[0].key_parts)))
    state.count("row", 3)
    return dict(state.changed())


def refused(before: Stage, now: Stage) -> bool:
    """Return whether a stage refuses the state of another."""
    changelog = kept(before.tables, before.settings, before.rules)
    try:
        now.open().restore(changelog)
    except ConfigError as error:
        return error.key.startswith("settings behind table")
    return False


@pytest.mark.parametrize("settings", ["", "a=1"])
def test_state_is_taken_back_under_the_settings_it_was_kept_with(settings: str) -> None:
    """The same settings, or none at all, give the same fingerprint."""
    state = State((SPEC,), settings)
    state.restore(kept((SPEC,), settings))
    assert state["t"].key(0) == ("EURUSD:FX",)
    assert state.counts() == {"row": 3}


@pytest.mark.parametrize(("before", "now"), [("a=1", "a=2"), ("", "a=1"), ("a=1", "")])
def test_state_kept_under_other_settings_is_refused(before: str, now: str) -> None:
    """The error says that it is the settings, of which table, and what to do."""
    with pytest.raises(ConfigError, match=r"changelog: settings behind table 't' is .* settings of before, or delete"):
        State((SPEC,), now).restore(kept((SPEC,), before))


@pytest.mark.parametrize("settings", ["", "a=1"])
def test_state_of_another_layout_is_refused(settings: str) -> None:
    """The error says that it is the layout, whether there are settings or not."""
    with pytest.raises(ConfigError, match=r"changelog: layout behind table 't' is .* version of before, or delete"):
        State((WIDER,), settings).restore(kept((SPEC,), settings))


@pytest.mark.parametrize("settings", ["", "a=1"])
@pytest.mark.parametrize(("before", "now"), [(1, 2), (2, 1), (1, 255)])
def test_state_of_other_rules_is_refused(settings: str, before: int, now: int) -> None:
    """The error says that it is the rules, also where the settings are other ones too; a larger number does not fit."""
    for other in (settings, "b=2"):
        with pytest.raises(ConfigError, match=r"changelog: rules behind table 't' is .* version of before, or delete"):
            State((SPEC,), other, now).restore(kept((SPEC,), settings, before))
    with pytest.raises(AssertionError, match="rules 256"):
        State((SPEC,), settings, 256)


def test_state_of_a_table_that_is_no_more_is_refused() -> None:
    """Rows of a table that the stage once had are refused by its name, with what to do."""
    with pytest.raises(ConfigError, match=r"changelog: table is 't': .* version of before, or delete"):
        State(()).restore(kept((SPEC,), ""))


def test_a_stage_refuses_what_it_kept_by_other_rules() -> None:
    """A stage whose number of rules is raised refuses its state of before and names its table; the counts hold."""

    class Changed(Featurize):
        rules = Featurize.rules + 1

    before = Featurize(FeaturizeConfig()).open()
    before.count("row", 3)
    counts = dict(before.tables["counts"].changed())
    restored = Changed(FeaturizeConfig()).open()
    restored.restore(counts)
    assert restored.counts() == {"row": 3}
    before["series"].slot(STRINGS.code("EURUSD:FX"), STRINGS.code("1m"))
    with pytest.raises(ConfigError, match=r"changelog: rules behind table 'series'"):
        Changed(FeaturizeConfig()).open().restore(dict(before.changed()))


def test_stages_refuse_what_they_kept_under_other_settings() -> None:
    """Reconcile and bars by their whole configuration, featurize by the hash of its pack, regime but for its labels."""
    bars = BarsConfig()
    thresholds = bars.consensus_stale_ms | {"fx": 31_000}
    instruments = load_instruments()
    assert refused(ReconcileStage(), ReconcileStage(ReconcileConfig(k=5.0)))
    assert refused(BarsStage(bars, instruments), BarsStage(replace(bars, consensus_stale_ms=thresholds), instruments))
    featurize = Featurize(FeaturizeConfig())
    assert not refused(featurize, Featurize(FeaturizeConfig()))
    featurize.settings = "of another pack"
    assert refused(featurize, Featurize(FeaturizeConfig()))
    assert refused(Regime(RegimeConfig()), Regime(RegimeConfig(slow_decay=0.99)))
    assert not refused(Regime(RegimeConfig()), Regime(RegimeConfig(t_trend=3.0)))
    assert not refused(ReconcileStage(), ReconcileStage())
    assert not refused(BarsStage(bars, instruments), BarsStage(BarsConfig(), instruments))
