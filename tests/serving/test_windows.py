"""The service with a model that reads windows: it answers what the stage publishes."""

import numpy as np
import pytest

from processors.runtime.batch import EncodedBatch, pack
from processors.runtime.codec import FlatCodec
from processors.score.config import ScoreConfig
from processors.score.stage import ScoreStage
from schemas.registry import load_registry
from serving.messages import record_of, signal_message
from serving.requests import Asked, Failure
from tests.score.gold_rows import make_gold
from tests.score.windowed import BARS, windowed_model
from tests.serving.support import MINUTE_NS, PACK, TS0_NS, FakeStore, gold_record, make_engine, wire

EUR = "EURUSD:FX"
N = 30


@pytest.fixture(scope="module")
def windowed():
    """Return a model of windows of the records' pack."""
    return windowed_model(make_gold(200, seed=3), pack=PACK)


@pytest.fixture
def records():
    """Return records in the order of the log: late, broken, of another pack or regime model, and one that warms up."""
    rows = [gold_record(i, features__rsi_14_value=50.0 + 17.0 * np.sin(i), warm=i != 3) for i in range(N)]
    rows[20]["meta"]["close"] = -1.0
    rows[22]["pack_hash"] = "other"
    rows[24]["regime"]["model"] = "hmm"
    late = gold_record(9, features__rsi_14_value=12.0)
    return [*rows[:15], late, *rows[15:]]


def published(model, records):
    """Return the stage's signals by time."""
    entry = load_registry().current("gold.v1")
    payload, start = pack([wire("gold.v1", r) for r in records])
    key, key_start = pack([b""] * len(records))
    gold, _ = FlatCodec(entry.schema, entry.id).decode(EncodedBatch("gold.v1", 0, payload, start, key, key_start))
    stage = ScoreStage(model, ScoreConfig())
    signals = stage.step(stage.open(), gold).records["signals.v1"]
    return {int(signals["ts"][i]): signal_message(record_of(signals, i)) for i in range(len(signals))}


def filled(records):
    store = FakeStore()
    for record in records:
        store.put(record)
    return store


def test_the_service_answers_what_the_stage_publishes_from_windows(windowed, records):
    """As of each bar the answer equals the stage's signal, bit for bit; where there is none, it says why."""
    expected = published(windowed, records)
    assert len(expected) > N - BARS - 4
    engine = make_engine(filled(records), lambda: windowed)
    asked = [Asked(EUR, "1m", TS0_NS + i * MINUTE_NS) for i in range(N)]
    answers = engine.score(asked)
    for one, answer in zip(asked, answers, strict=True):
        if one.as_of_ns in expected:
            assert answer == expected[one.as_of_ns]
            assert engine.score([one]) == [answer]
        else:
            assert isinstance(answer, Failure)
            assert answer.code.name == "FAILED_PRECONDITION"
    assert "too few rows: model tft reads 6, 3 are kept" in answers[2].message


def test_rows_that_stand_in_no_window_are_read_past(windowed, records):
    """Where more rows than are spared stand in no window, the service reads further back for the same answer."""
    broken = [gold_record(i, meta__close=-1.0) for i in range(N, N + 40)]
    last = gold_record(N + 40, features__rsi_14_value=33.0)
    everything = [*records, *broken, last]
    expected = published(windowed, everything)
    store = filled(everything)
    answer = make_engine(store, lambda: windowed).score([Asked(EUR, "1m", None)])[0]
    assert answer == expected[last["ts"]]
    assert len(store.asked) == 2


def test_windows_go_on_over_an_upgrade(windowed, records):
    """Rows of an earlier schema version stand in the windows as they did when the stage read them."""
    expected = published(windowed, records)
    store = FakeStore()
    for i, record in enumerate(records):
        # The schema of before knew of one regime model.
        is_old = i < len(records) - 2 and record["regime"].get("model", "bocpd") == "bocpd"
        store.put(record, version=0 if is_old else -1)
    assert make_engine(store, lambda: windowed).score([Asked(EUR, "1m", None)]) == [expected[records[-1]["ts"]]]


def test_redis_away_is_unavailable_for_windows_too(windowed, records):
    """With the store away, each request is UNAVAILABLE; an unknown symbol is NOT_FOUND."""
    store = filled(records)
    engine = make_engine(store, lambda: windowed)
    assert engine.score([Asked("NZDUSD:FX", "1m", None)])[0].code.name == "NOT_FOUND"
    store.away = True
    assert engine.score([Asked(EUR, "1m", None)])[0].code.name == "UNAVAILABLE"
