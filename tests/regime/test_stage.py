"""The regime stage: copies, warm-up, splits and rows out of order."""

import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.errors import ConfigError
from processors.regime.config import RegimeConfig
from processors.regime.stage import RETURN, Regime
from processors.runtime.batch import Columns
from processors.topology import build_stage
from schemas.features import load_features
from tests.support import assert_same, interleaved, joined


def gold_of(stage: Regime, rows: Columns) -> Columns:
    """Return the rows of one run."""
    return stage.step(stage.open(), rows).records["gold.v1"]


@pytest.fixture(name="mixed", scope="module")
def _mixed(make_rows) -> Columns:
    """Return rows of three series shuffled into each other, each in its own order."""
    parts = [make_rows(150, 1), make_rows(90, 2, symbol="NZDUSD:FX"), make_rows(60, 3, tf="5m")]
    return interleaved(parts, seed=4)


def test_a_gold_row_holds_all_of_its_feature_row(stage: Regime, mixed: Columns) -> None:
    """Every field of the feature row but warm and regime's own features is in the gold row, bit for bit."""
    gold = gold_of(stage, mixed)
    assert len(gold) == len(mixed)
    made = {f"features.{f.name}" for f in load_features() if f.source == stage.name}
    for name in mixed.layout.names:
        if name not in {"warm", *made}:
            assert gold[name].tobytes() == mixed[name].tobytes(), name
    own = set(gold.layout.names) - set(mixed.layout.names)
    assert own == {
        f"regime.{n}"
        for n in ("label", "p_trend", "p_meanrev", "p_stress", "change_prob", "run_length", "hazard", "model",
                  "hmm_p_trend", "hmm_p_meanrev", "hmm_p_stress", "cluster_id")
    }  # fmt: skip


def test_the_label_names_the_largest_probability(stage: Regime, make_rows) -> None:
    """The label's symbol is that of the largest probability, and all three labels occur."""
    gold = gold_of(stage, make_rows(900, 5))
    symbols = gold.layout.symbols["regime.label"]
    p = np.array([gold[f"regime.p_{s}"] for s in symbols])
    # Before it is warm all three are equal.
    told = p.max(axis=0) > p.min(axis=0)
    assert (gold["regime.label"][told] == p.argmax(axis=0)[told]).all()
    assert {symbols[int(i)] for i in gold["regime.label"]} == set(symbols)


def test_a_row_is_warm_when_features_and_regime_are(stage: Regime, make_rows) -> None:
    """A row that is not warm stays so; a warm one needs a warm regime too."""
    rows = make_rows(120, 6)
    rows["warm"] = np.arange(120) % 2
    gold = gold_of(stage, rows)
    config = RegimeConfig()
    returns = np.cumsum(~np.isnan(rows[RETURN]))
    ready = returns >= config.returns_min + config.observations_min
    np.testing.assert_array_equal(gold["warm"], rows["warm"] & ready)
    assert gold["warm"].any()


@settings(max_examples=25, deadline=None)
@given(cuts=st.sets(st.integers(0, 300), max_size=8), restored=st.booleans())
def test_a_split_anywhere_gives_the_same_rows(stage: Regime, mixed: Columns, cuts: set[int], restored: bool) -> None:
    """Any cut into batches, with the state restored from its changelog or not, gives equal rows."""
    state, changelog, parts = stage.open(), {}, []
    for begin, end in pairwise([0, *sorted(cuts), len(mixed)]):
        output = stage.step(state, mixed.take(slice(begin, end)))
        parts.append(output.records["gold.v1"])
        assert output.counts == {"row": end - begin, "out_of_order": 0, "dead": 0}
        if restored:
            changelog |= dict(state.changed())
            state = stage.open()
            state.restore(changelog)
    assert_same(joined(parts), gold_of(stage, mixed))


@settings(max_examples=25, deadline=None)
@given(n=st.integers(0, 299))
def test_a_prefix_of_the_rows_gives_a_prefix_of_the_gold_rows(stage: Regime, mixed: Columns, n: int) -> None:
    """The regime is filtered: nothing after a row changes it."""
    assert_same(gold_of(stage, mixed).take(slice(0, n)), gold_of(stage, mixed.take(slice(0, n))))


def test_a_row_out_of_order_is_counted_and_left(stage: Regime, make_rows) -> None:
    """A row that is not after the last one of its series gives nothing, nor a dead letter; the rest is the same."""
    rows = make_rows(80, 7)
    output = stage.step(stage.open(), joined([rows.take(slice(0, 50)), rows.take(slice(49, 80))]))
    assert output.rejected == []
    assert output.counts == {"row": 80, "out_of_order": 1, "dead": 0}
    assert_same(output.records["gold.v1"], gold_of(stage, rows))


def test_a_row_of_an_unknown_symbol_is_rejected_and_takes_no_state(stage: Regime, make_rows) -> None:
    """It goes to the dead letter by its own row number; the others are as without it, and so is the state."""
    rows, strange = make_rows(40, 8), make_rows(5, 9, symbol="NOSUCH:FX")
    state = stage.open()
    output = stage.step(
        state, joined([strange.take(slice(0, 2)), rows.take(slice(0, 20)), strange, rows.take(slice(19, 40))])
    )
    assert [(r.row, r.error) for r in output.rejected] == [(i, "unknown_symbol") for i in (0, 1, *range(22, 27))]
    assert output.rejected[0].reason == "'NOSUCH:FX' is no instrument: add it to the instruments file"
    assert output.counts == {"row": 40, "out_of_order": 1, "dead": 7}
    assert len(state["series"]) == 1
    assert_same(output.records["gold.v1"], gold_of(stage, rows))


def knobs() -> list[str]:
    """Return the path of every knob that is a number, those of the parts included."""
    out = []
    for f in fields(RegimeConfig):
        value = getattr(RegimeConfig(), f.name)
        if is_dataclass(value):
            out += [f"{f.name}.{inner.name}" for inner in fields(value)]
        elif f.name not in {"model", "run_length_bars_max"}:
            out.append(f.name)
    return out


def moved(config: RegimeConfig, path: str) -> RegimeConfig:
    """Return the configuration with one knob turned a little."""
    part, _, inner = path.rpartition(".")
    holder = getattr(config, part) if part else config
    value = getattr(holder, inner)
    other = not value if isinstance(value, bool) else value * 0.9 - 0.01 if isinstance(value, float) else value + 1
    changed = replace(holder, **{inner: max(other, value * 0.5) if isinstance(value, float) and value > 0 else other})
    return replace(config, **{part: changed}) if part else changed


# What is read by one model only, and what decides in rare moments, none of which is in the sample.
RARE = {
    "hazard_min", "hazard_max", "standardised_max", "context.return_max", "context.range_max", "joint.runs_max",
    "hmm.stress_ratio", "hmm.phi_min", "cluster.rate_min", "context.range_min",
}  # fmt: skip


@pytest.mark.parametrize("name", knobs())
def test_a_setting_that_changes_the_state_is_among_those_it_is_kept_with(mixed: Columns, name: str) -> None:
    """Another value gives another state after the same rows only where the fingerprint of the state has it."""
    config = RegimeConfig(model="bocpd_features")
    states, stages = [], [Regime(config), Regime(moved(config, name))]
    for one in stages:
        state = one.open()
        one.step(state, mixed)
        states.append(state["series"].rows[: len(state["series"])].tobytes())
    if states[0] == states[1] and name not in RARE:
        assert stages[0].settings == stages[1].settings
    else:
        assert (
            stages[0].settings != stages[1].settings
            or stages[0].tables[0].fresh.dtype != stages[1].tables[0].fresh.dtype
        )


def test_an_empty_batch_gives_nothing(stage: Regime, make_rows) -> None:
    """No rows, no gold rows."""
    assert len(gold_of(stage, make_rows(3).take(slice(0, 0)))) == 0


def test_the_stage_does_not_know_hindsight() -> None:
    """Nothing that the stage imports can smooth: the module of it is not even loaded."""
    code = (
        "import sys, processors.regime.stage as _; "
        "sys.exit(any(f'processors.regime.{name}' in sys.modules for name in ('hindsight', 'laws', 'segments')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_an_unknown_model_of_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """``MPS_REGIME_MODEL`` chooses the model; a name that is none is an error that lists them."""
    monkeypatch.setenv("MPS_REGIME_MODEL", "hmm")
    assert build_stage("regime").config.model == "hmm"  # type: ignore[attr-defined]
    monkeypatch.setenv("MPS_REGIME_MODEL", "crystal_ball")
    with pytest.raises(ConfigError, match="bocpd, bocpd_features, hmm"):
        build_stage("regime")


def test_the_topology_builds_the_stage() -> None:
    """The factory of the topology gives this stage."""
    assert isinstance(build_stage("regime"), Regime)
