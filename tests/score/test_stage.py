"""The score stage: fates add up, order is kept, state survives."""

import numpy as np
import pytest

from processors.errors import ConfigError
from processors.runtime.codec import FlatCodec
from processors.runtime.memory import message_batch
from processors.runtime.pipeline import Pipeline
from processors.runtime.strings import STRINGS
from processors.score import stage as st
from processors.score.stage import ScoreStage
from schemas.registry import load_registry
from tests.score.gold_rows import concat, make_gold


def mixed(later):
    """Return rows of two symbols and several fates, interleaved."""
    other = make_gold(len(later), symbol="NZDUSD:FX", seed=9, start_ns=int(later["ts"][0]))
    rows = concat(later, other)
    rows = rows.take(np.argsort(rows["ts"], kind="stable"))
    rows["warm"][10:20] = 0
    rows["tf"][30:40] = STRINGS.code("1d")
    rows["symbol_id"][50] = STRINGS.code("NO:SUCH")
    rows["meta.close"][51] = -1.0
    rows["ts"][60] = rows["ts"][20]
    rows["regime.model"][70:73] = rows.layout.symbols["regime.model"].index("hmm")
    rows.offset = np.arange(len(rows))
    return rows


def test_every_row_has_one_fate(model, later, trained):
    """Fates exclude each other and add up to the rows; rejected rows say why."""
    rows = concat(trained[1].take(slice(0, 40)), mixed(later))
    out = ScoreStage(model).step(ScoreStage(model).open(), rows)
    assert sum(out.counts.values()) == len(rows)
    assert out.counts["signal"] == len(out.records["signals.v1"])
    assert {k: v for k, v in out.counts.items() if k != "signal"} == {
        "in_sample": 40, "warmup": 10, "no_model_for_tf": 10, "regime_mismatch": 3, "dead": 2, "out_of_order": 1,
    }  # fmt: skip
    assert [r.error for r in out.rejected] == ["unknown_symbol", "bad_value"]
    assert "NO:SUCH" in out.rejected[0].reason
    assert "-1.0" in out.rejected[1].reason


def test_a_row_that_comes_again_is_not_scored_again(model, later):
    """A row that comes again, or goes back, is not scored again."""
    stage = ScoreStage(model)
    state = stage.open()
    assert stage.step(state, later).counts == {"signal": len(later)}
    assert stage.step(state, later).counts == {"out_of_order": len(later)}
    twice = later.take(np.repeat(np.arange(5), 2))
    assert stage.step(stage.open(), twice).counts == {"out_of_order": 5, "signal": 5}


def test_split_anywhere_and_restored_gives_the_same_signals(model, later):
    """Split anywhere and restored in between, the signals are the same to the bit."""
    rows, stage = mixed(later), ScoreStage(model)
    whole = stage.step(stage.open(), rows).records["signals.v1"]
    for cut in (1, 19, 60, 61, len(rows) - 1):
        first = stage.open()
        one = stage.step(first, rows.take(slice(0, cut)))
        again = stage.open()
        again.restore(dict(first.changed()))
        two = stage.step(again, rows.take(slice(cut, None)))
        joined = concat(one.records["signals.v1"], two.records["signals.v1"])
        assert joined.ints.tobytes() == whole.ints.tobytes()
        assert joined.floats.tobytes() == whole.floats.tobytes()


def test_the_bytes_on_the_wire_are_the_same_for_any_batches(model, later):
    """The wire bytes are the same whatever the batches are."""
    entry = load_registry().current("gold.v1")
    codec = FlatCodec(entry.schema, entry.id)
    encoded = codec.encode("gold.v1", 0, later, np.asarray(later["symbol_id"]))
    results = []
    for size in (len(later), 13):
        pipeline = Pipeline([ScoreStage(model)])
        state, values = pipeline.open(), []
        for i in range(0, len(later), size):
            part = codec.encode("gold.v1", 0, later.take(slice(i, i + size)), later["symbol_id"][i : i + size])
            for out in pipeline.run(state, message_batch(part, i)):
                values += list(out.values())
        results.append(values)
    assert len(results[0]) == len(encoded)
    assert results[0] == results[1]


def test_the_stage_starts_only_with_a_model_of_what_is_served(trained, monkeypatch):
    """The stage does not start with a model of another pack, nor of other regimes, nor without one."""
    monkeypatch.setenv("MPS_MODEL", str(trained[0]))
    assert isinstance(st.build(), ScoreStage)
    monkeypatch.setenv("MPS_REGIME_MODEL", "hmm")
    with pytest.raises(ConfigError, match="regime_model is 'bocpd': hmm"):
        st.build()
    monkeypatch.delenv("MPS_REGIME_MODEL")
    monkeypatch.setattr(st, "served_packs", lambda: ("core_value_v1@another-hash",))
    with pytest.raises(ConfigError, match="another-hash"):
        st.build()
    monkeypatch.setenv("MPS_MODEL", str(trained[0]) + ".none")
    with pytest.raises(ConfigError, match="mps train"):
        st.build()
