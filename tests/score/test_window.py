"""Windows of rows: in the stream, from scratch, and after restarts they are the same."""

import numpy as np
import pytest

from processors.errors import ConfigError
from processors.runtime.codec import FlatCodec
from processors.runtime.memory import MemoryDriver, message_batch
from processors.runtime.state import Table
from processors.runtime.strings import STRINGS
from processors.score import window as w
from processors.score import window_kernel
from processors.score.config import ScoreConfig
from processors.score.inputs import Input, input_matrix
from processors.score.model import Model
from processors.score.score import BAD_VALUE, FATES, SIGNAL, score_rows
from processors.score.stage import ScoreStage
from schemas.registry import load_registry
from tests.score.gold_rows import PACK, concat, make_gold
from tests.score.windowed import BARS, naive_logits, windowed_bytes, windowed_model, windows_of_gold

CONFIG = ScoreConfig()
N = 60


@pytest.fixture(scope="module", params=["tft", "nbeats"])
def windowed(request):
    """Return a model of windows."""
    return windowed_model(make_gold(200, seed=3), request.param, pack=(PACK.pack_id, PACK.hash))


@pytest.fixture(scope="module")
def stream():
    """Return rows of two symbols and two timeframes, interleaved, with nulls, late rows, broken and strange ones."""
    parts = [make_gold(N, seed=1), make_gold(N, seed=2, symbol="NZDUSD:FX"), make_gold(N // 5, seed=3, tf="5m")]
    rows = concat(*parts)
    rows = rows.take(np.argsort(rows["ts"], kind="stable"))
    rows["features.rsi_14_value"][7:30:3] = np.nan
    rows["regime.run_length"][40] = np.inf
    rows["warm"][5:9] = 0
    rows["meta.spread_bp"][50] = np.nan
    rows["meta.close"][33] = -1.0
    rows["symbol_id"][71] = STRINGS.code("NO:SUCH")
    rows["packs"][90] = STRINGS.array_code(("other@pack",))
    rows["pack_hash"][90] = STRINGS.code("pack")
    rows["regime.model"][95] = rows.layout.symbols["regime.model"].index("hmm")
    rows["ts"][100] = rows["ts"][60]
    rows.offset = np.arange(len(rows))
    return rows


def offline(model, rows):
    """Return the signals of an offline run over the same rows."""
    return score_rows(model, CONFIG, rows, windows_of_gold(model, rows))


def same(a, b):
    return a.ints.tobytes() == b.ints.tobytes() and a.floats.tobytes() == b.floats.tobytes()


def test_the_stream_scores_what_an_offline_run_scores(windowed, stream):
    """In any batches the stage's signals equal those of one offline run over the rows, bit for bit."""
    expected = offline(windowed, stream).signals
    assert len(expected) > N
    for size in (len(stream), 1, 7, 64):
        stage = ScoreStage(windowed, CONFIG)
        state = stage.open()
        parts = [stage.step(state, stream.take(slice(i, i + size))) for i in range(0, len(stream), size)]
        assert same(concat(*(p.records["signals.v1"] for p in parts)), expected)


def test_a_window_is_the_newest_rows_of_its_symbol_and_timeframe(windowed):
    """The log-odds of a row are those of the graph over the newest rows of its symbol, cut out by hand."""
    gold = make_gold(N, seed=1)
    got = offline(windowed, gold)
    expected = naive_logits(windowed, input_matrix(gold, windowed.card.inputs))
    assert (got.fate[: BARS - 1] == FATES.index("warmup")).all()
    assert (got.fate[BARS - 1 :] == SIGNAL).all()
    prob = 1 / (1 + np.exp(-expected[BARS - 1 :]))
    np.testing.assert_allclose(got.signals["prob_up"], prob, rtol=1e-12)
    assert np.unique(prob).size > N // 2


def test_every_row_has_one_fate_and_late_rows_stand_in_no_window(windowed, stream):
    """Fates add up; a late row, a broken one, one of another pack or regime model change nothing of what follows."""
    stage = ScoreStage(windowed, CONFIG)
    out = stage.step(stage.open(), stream)
    assert sum(out.counts.values()) == len(stream)
    assert out.counts["out_of_order"] == 1
    assert out.counts["dead"] == 2
    assert out.counts["pack_mismatch"] == out.counts["regime_mismatch"] == 1
    assert out.counts["missing_input"] == 1
    assert [r.error for r in out.rejected] == [FATES[BAD_VALUE], "unknown_symbol"]
    clean = np.setdiff1d(np.arange(len(stream)), [33, 71, 90, 95, 100])
    alone = stage.step(stage.open(), stream.take(clean)).records["signals.v1"]
    assert same(alone, out.records["signals.v1"])


def test_restarts_from_the_changelog_change_no_bit(windowed, stream):
    """Stopped after any batch and restored from its changelog in a new process's state, the signals are the same."""
    expected = offline(windowed, stream).signals
    changelog, parts = {}, []
    for i in range(0, len(stream), 11):
        stage = ScoreStage(windowed, CONFIG)
        state = stage.open()
        state.restore(changelog)
        parts.append(stage.step(state, stream.take(slice(i, i + 11))).records["signals.v1"])
        changelog |= dict(state.changed())
    assert same(concat(*parts), expected)


def test_the_driver_restored_between_batches_publishes_the_same_bytes(windowed, stream):
    """Over the wire, with the driver's whole state read back from its changelog in between, the bytes are the same."""
    entry = load_registry().current("gold.v1")
    codec = FlatCodec(entry.schema, entry.id)
    good = stream.take(np.flatnonzero(stream["symbol_id"] != STRINGS.code("NO:SUCH")))
    encoded = [
        codec.encode("gold.v1", 0, good.take(slice(i, i + 13)), good["symbol_id"][i : i + 13])
        for i in range(0, len(good), 13)
    ]
    whole = MemoryDriver([ScoreStage(windowed, CONFIG)])
    whole.run(message_batch(part, 13 * i) for i, part in enumerate(encoded))
    changelog: dict[bytes, bytes] = {}
    got = []
    for i, part in enumerate(encoded):
        driver = MemoryDriver([ScoreStage(windowed, CONFIG)])
        driver.states[0] = driver.pipeline.open()
        driver.states[0].restore(changelog)
        driver.feed(message_batch(part, 13 * i))
        changelog |= dict(driver.states[0].changed())
        got += driver.records("signals.v1", 0)
    assert len(got) > N
    assert got == whole.records("signals.v1", 0)


def test_windows_of_another_model_begin_anew_and_stay_so(windowed, stream):
    """After another model's inputs the windows fill again, in the old slots; back again, no old row is read."""
    first = ScoreStage(windowed, CONFIG)
    state = first.open()
    first.step(state, stream.take(slice(0, 40)))
    changelog = dict(state.changed())
    raw = windowed_bytes(make_gold(200, seed=3), bars=4, pack=(PACK.pack_id, PACK.hash))
    for model, begins in ((Model(raw, "x"), True), (windowed, True), (windowed, False)):
        stage = ScoreStage(model, CONFIG)
        state = stage.open()
        state.restore(changelog)
        table = state[w.TABLE]
        assert len(table) > 1
        assert (table.rows["count"][: len(table)] == 0).all() == begins
        before = [table.key(i) for i in range(len(table))]
        part = stream.take(slice(40, 70))
        part["ts"] += 10**15 * (1 + (model is windowed) + (not begins))
        out = stage.step(state, part)
        if begins:
            assert out.counts["warmup"] >= 2 * (model.card.window_bars - 1)
        else:
            assert out.counts["signal"] > 20
        assert [table.key(i) for i in range(len(before))] == before
        changelog |= dict(state.changed())


def test_a_model_of_one_row_keeps_no_windows(model, later, windowed, stream):
    """A model of one row keeps none, and starts on what a model of windows has left."""
    stage = ScoreStage(windowed, CONFIG)
    state = stage.open()
    stage.step(state, stream)
    plain = ScoreStage(model, CONFIG)
    after = plain.open()
    after.restore(dict(state.changed()))
    assert plain.step(plain.open(), later).counts == {"signal": len(later)}
    begun = plain.open()
    plain.step(begun, later)
    assert len(begun[w.TABLE]) == 0


def test_rows_too_few_are_warmup_and_said_by_the_first_that_holds(windowed):
    """With fewer rows than a window no row is scored."""
    gold = make_gold(BARS - 1)
    stage = ScoreStage(windowed, CONFIG)
    assert stage.step(stage.open(), gold).counts == {"warmup": BARS - 1}


def test_scoring_without_windows_is_a_fault_of_ours(windowed):
    """A model of windows is never scored without them."""
    with pytest.raises(AssertionError, match="without its windows"):
        score_rows(windowed, CONFIG, make_gold(10))


def test_a_card_that_says_another_window_than_its_graph_is_refused():
    """A file whose card and graph disagree on the window does not load."""
    import onnx

    made = onnx.load_from_string(windowed_bytes(make_gold(100), pack=("p", "h")))
    properties = {p.key: p.value for p in made.metadata_props}
    onnx.helper.set_model_props(made, properties | {"mps.window_bars": "7"})
    with pytest.raises(ConfigError, match="window_bars"):
        Model(made.SerializeToString(), "x.onnx")


def test_a_ring_laid_out_equals_the_obvious_way():
    """Rings and new rows laid out equal lists that are appended to, compiled and interpreted."""
    rng = np.random.default_rng(8)
    for functions in (
        (window_kernel.lay_out, window_kernel.remember),
        (window_kernel.lay_out.py_func, window_kernel.remember.py_func),
    ):
        lists: dict[int, list] = {}
        count, ring, dirty = np.zeros(5, np.int32), np.zeros((5, 4, 2), np.float32), np.zeros(5, np.uint8)
        for _ in range(30):
            n = int(rng.integers(0, 9))
            slots = rng.integers(0, 5, n).astype(np.int32)
            x = rng.standard_normal((n, 2)).astype(np.float32)
            rows = np.empty((n + 15, 2), np.float32)
            last, seen = np.empty(n, np.int64), np.empty(n, np.int64)
            functions[0](x, slots, np.argsort(slots, kind="stable"), count, ring, rows, last, seen)
            functions[1](x, slots, count, ring, dirty)
            for i in range(n):
                mine = lists.setdefault(int(slots[i]), [])
                mine.append(x[i])
                assert seen[i] == len(mine)
                k = min(4, len(mine))
                np.testing.assert_array_equal(rows[last[i] + 1 - k : last[i] + 1], np.stack(mine[-k:]))
        assert (dirty == [s in lists for s in range(5)]).all()


def test_a_table_of_windows_is_renewed_only_by_its_own_settings():
    """Inputs, their scales and the length are what the kept rows depend on."""
    inputs = (Input("meta.close", "raw"),)
    entries = dict(_filled(w.window_table(inputs, 3)).changed())
    for spec, kept in (
        (w.window_table(inputs, 3), True), (w.window_table(inputs, 4), False),
        (w.window_table((Input("meta.close", "per_vol"),), 3), False), (w.window_table((), 1), False),
    ):  # fmt: skip
        table = Table(spec)
        table.restore(entries)
        assert (table.rows["count"][0] == 2) == kept
        assert bool(table.dirty[0]) != kept


def _filled(spec):
    table = Table(spec)
    codes = np.array([STRINGS.code("EURUSD:FX")] * 2), np.array([STRINGS.code("1m")] * 2)
    w.push_rows(table, np.ones((2, 1), np.float32), *codes)
    return table
