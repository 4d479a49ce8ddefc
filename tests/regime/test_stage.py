"""The regime stage: copies, warm-up, splits and rows out of order."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.regime.config import RegimeConfig
from processors.regime.stage import RETURN, Regime
from processors.runtime.batch import Columns
from processors.topology import build_stage


def joined(parts: list[Columns]) -> Columns:
    """Return batches one after the other."""
    ints, floats = (np.concatenate([getattr(p, kind) for p in parts], axis=1) for kind in ("ints", "floats"))
    return Columns(parts[0].layout, ints, floats)


def assert_same(a: Columns, b: Columns) -> None:
    """Assert that two batches of rows are equal, bit for bit."""
    assert a.ints.tobytes() == b.ints.tobytes()
    assert a.floats.tobytes() == b.floats.tobytes()


def gold_of(stage: Regime, rows: Columns) -> Columns:
    """Return the rows of one run."""
    return stage.step(stage.open(), rows).records["gold.v1"]


@pytest.fixture(name="mixed", scope="module")
def _mixed(make_rows) -> Columns:
    """Return rows of three series shuffled into each other, each in its own order."""
    parts = [make_rows(150, 1), make_rows(90, 2, symbol="NZDUSD:FX"), make_rows(60, 3, tf="5m")]
    turn = np.random.default_rng(4).permutation(np.repeat([0, 1, 2], [150, 90, 60]))
    place = np.empty(len(turn), np.int64)
    for i, begin in enumerate((0, 150, 240)):
        place[turn == i] = begin + np.arange((turn == i).sum())
    return joined(parts).take(place)


def test_a_gold_row_holds_all_of_its_feature_row(stage: Regime, mixed: Columns) -> None:
    """Every field of the feature row but warm is in the gold row, bit for bit; the count of rows is the same."""
    gold = gold_of(stage, mixed)
    assert len(gold) == len(mixed)
    for name in mixed.layout.names:
        if name != "warm":
            assert gold[name].tobytes() == mixed[name].tobytes(), name
    own = set(gold.layout.names) - set(mixed.layout.names)
    assert own == {
        f"regime.{n}" for n in ("label", "p_trend", "p_meanrev", "p_stress", "change_prob", "run_length", "hazard")
    }


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
        assert output.counts == {"row": end - begin, "dead": 0}
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


def test_a_row_out_of_order_is_rejected_alone(stage: Regime, make_rows) -> None:
    """A row that is not after the one before of its series goes to the dead letter; the others are as without it."""
    rows = make_rows(80, 7)
    output = stage.step(stage.open(), joined([rows.take(slice(0, 50)), rows.take(slice(49, 80))]))
    assert [(r.row, r.error) for r in output.rejected] == [(50, "out_of_order")]
    assert output.counts == {"row": 80, "dead": 1}
    assert_same(output.records["gold.v1"], gold_of(stage, rows))


def test_a_row_of_an_unknown_symbol_is_rejected_and_takes_no_state(stage: Regime, make_rows) -> None:
    """It goes to the dead letter by its own row number; the others are as without it, and so is the state."""
    rows, strange = make_rows(40, 8), make_rows(5, 9, symbol="NOSUCH:FX")
    state = stage.open()
    output = stage.step(
        state, joined([strange.take(slice(0, 2)), rows.take(slice(0, 20)), strange, rows.take(slice(19, 40))])
    )
    assert [(r.row, r.error) for r in output.rejected] == [
        *((i, "unknown_symbol") for i in (0, 1, *range(22, 27))), (27, "out_of_order"),
    ]  # fmt: skip
    assert output.rejected[0].reason == "'NOSUCH:FX' is no instrument: add it to the instruments file"
    assert output.counts == {"row": 40, "dead": 8}
    assert len(state["series"]) == 1
    assert_same(output.records["gold.v1"], gold_of(stage, rows))


def test_an_empty_batch_gives_nothing(stage: Regime, make_rows) -> None:
    """No rows, no gold rows."""
    assert len(gold_of(stage, make_rows(3).take(slice(0, 0)))) == 0


def test_the_topology_builds_the_stage() -> None:
    """The factory of the topology gives this stage."""
    assert isinstance(build_stage("regime"), Regime)
