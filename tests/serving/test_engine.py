"""From what was asked to signals or reasons."""

import grpc
import numpy as np
import pytest

from processors.errors import ConfigError
from processors.runtime.batch import EncodedBatch, pack
from processors.runtime.codec import FlatCodec
from processors.score.config import ScoreConfig
from processors.score.score import score_rows
from processors.score.stage import ScoreStage
from processors.sinks.redis_store import FreshnessState
from schemas.registry import load_registry
from serving.messages import record_of, signal_message
from serving.records import iso
from serving.requests import Asked, Failure
from tests.score.adaptive_model import adaptive_model
from tests.serving.support import MINUTE_NS, PACK, TRAINED_UNTIL_NS, TS0_NS, FakeStore, gold_record, make_engine, wire

EUR = "EURUSD:FX"


def _failure(engine, *asked) -> tuple[str, str]:
    answer = engine.score([Asked(*asked)])[0]
    assert isinstance(answer, Failure), answer
    return answer.code.name, answer.message


def test_the_service_answers_what_the_stage_publishes(store, model):
    """For the same gold rows the service's answers equal the stage's records, field by field."""
    records = [gold_record(i) for i in range(10)]
    entry = load_registry().current("gold.v1")
    payload, start = pack([wire("gold.v1", r) for r in records])
    key, key_start = pack([b""] * len(records))
    gold, error = FlatCodec(entry.schema, entry.id).decode(EncodedBatch("gold.v1", 0, payload, start, key, key_start))
    assert not error.any()
    stage = ScoreStage(model)
    published = stage.step(stage.open(), gold).records["signals.v1"]
    assert len(published) == len(records)
    answers = make_engine(store, lambda: model).score([Asked(EUR, "1m", r["ts"]) for r in records])
    for i, answer in enumerate(answers):
        record = record_of(published, i)
        assert answer == signal_message(record)
        # The message itself, field by field, without our own mapping.
        assert answer.ts.seconds * 10**9 + answer.ts.nanos == record.pop("ts") == records[i]["ts"]
        for name, value in record.items():
            found = getattr(answer, name)
            if isinstance(value, dict):
                assert {k: list(v) if k == "members" else v for k, v in value.items()} == {
                    k: list(getattr(found, k)) if k == "members" else getattr(found, k) for k in value
                }
            elif value is None:
                assert not answer.HasField(name)
            else:
                assert (list(found) if name == "gates" else found) == value
    assert len({a.score for a in answers}) == 10


def test_where_intervals_follow_outcomes_the_service_tells_all_but_those(store):
    """Of a model of format 3 validity and the rest are the stage's; the interval is what the model says by itself."""
    model = adaptive_model(trained_until_ns=TRAINED_UNTIL_NS, pack_id=PACK[0], pack_hash=PACK[1])
    records = [gold_record(i) for i in range(10)]
    entry = load_registry().current("gold.v1")
    payload, start = pack([wire("gold.v1", r) for r in records])
    gold, _ = FlatCodec(entry.schema, entry.id).decode(EncodedBatch("gold.v1", 0, payload, start, *pack([b""] * 10)))
    stage = ScoreStage(model)
    published = stage.step(stage.open(), gold).records["signals.v1"]
    answers = make_engine(store, lambda: model).score([Asked(EUR, "1m", r["ts"]) for r in records])
    own = score_rows(model, ScoreConfig(), gold).signals
    for i, answer in enumerate(answers):
        told, alone = signal_message(record_of(published, i)), record_of(own, i)["interval"]
        assert answer.HasField("validity")
        assert (answer.interval.lo, answer.interval.hi) == (alone["lo"], alone["hi"])
        told.interval.CopyFrom(answer.interval)
        assert answer == told


def test_one_alone_equals_one_among_many(store, model):
    """An answer does not depend on what is asked beside it."""
    engine = make_engine(store, lambda: model)
    asked = [Asked(EUR, "1m", TS0_NS + i * MINUTE_NS) for i in range(10)] + [Asked("NZDUSD:FX", "1m", None)]
    assert engine.score(asked) == [engine.score([one])[0] for one in asked]


def test_only_what_was_known_at_as_of_is_used(store, model):
    """One nanosecond before a row's ts, the row before it answers."""
    engine = make_engine(store, lambda: model)
    at, before = engine.score([Asked(EUR, "1m", TS0_NS + 2 * MINUTE_NS), Asked(EUR, "1m", TS0_NS + 2 * MINUTE_NS - 1)])
    assert (at.lineage.raw_offset, before.lineage.raw_offset) == (1002, 1001)


def test_without_as_of_the_latest_row_counts_as_now_on_the_event_clock(store, model):
    """On the event clock a replayed row of years ago is fresh; on the wall clock it is stale, with both ages named."""
    answer = make_engine(store, lambda: model).score([Asked(EUR, "1m", None)])[0]
    assert answer.lineage.raw_offset == 1009
    newest = TS0_NS + 9 * MINUTE_NS
    wall = make_engine(store, lambda: model, lambda: newest + 121 * 10**9)
    code, message = _failure(wall, EUR, "1m", None)
    assert code == "FAILED_PRECONDITION"
    assert "121.000 s old" in message
    assert "limit 120 s" in message
    fresh = make_engine(store, lambda: model, lambda: newest + 120 * 10**9)
    assert fresh.score([Asked(EUR, "1m", None)])[0].lineage.raw_offset == 1009


def test_a_row_of_a_stale_bar_gives_no_score(store, model):
    """A row whose consensus was stale at the close gives FAILED_PRECONDITION, not a gated signal."""
    store.put(gold_record(10, quality__stale=True))
    code, message = _failure(make_engine(store, lambda: model), EUR, "1m", None)
    assert code == "FAILED_PRECONDITION"
    assert f"is stale: when its bar closed at {iso(TS0_NS + 10 * MINUTE_NS)}, its newest tick was older" in message
    assert " s old" not in message


def _state(state: str, previous: str, ts_ns: int) -> FreshnessState:
    return FreshnessState(state, previous, ts_ns, ts_ns - 7, 31_000.0, 30_000.0)


@pytest.mark.parametrize(
    ("state", "previous", "refused"),
    [
        ("stale", "delayed", "consensus is stale since"),
        ("closed", "stale", "its market has closed since; the consensus is closed since"),
        ("closed", "fresh", ""),
        ("delayed", "fresh", ""),
        ("fresh", "stale", ""),
        ("gap", "stale", ""),
    ],
)
def test_a_symbol_whose_consensus_is_stale_gives_no_score(store, model, state, previous, refused):
    """A consensus that is stale, or was when its market closed, is FAILED_PRECONDITION long before a row is missing."""
    newest = TS0_NS + 9 * MINUTE_NS
    now_ns = newest + 35 * 10**9
    store.states[EUR, "1m"] = _state(state, previous, now_ns - 1)
    engine = make_engine(store, lambda: model, lambda: now_ns)
    if refused:
        code, message = _failure(engine, EUR, "1m", None)
        assert code == "FAILED_PRECONDITION"
        assert f"{EUR} 1m is stale: no source has a fresh price" in message
        assert refused in message
        assert message.endswith(f"{iso(now_ns - 8)}, threshold 30 s")
    else:
        assert engine.score([Asked(EUR, "1m", None)])[0].lineage.raw_offset == 1009
    # Another symbol and another timeframe have states of their own.
    assert engine.score([Asked("NZDUSD:FX", "1m", TS0_NS + 3 * MINUTE_NS)])[0].lineage.raw_offset == 1003


def test_what_fell_silent_after_a_row_does_not_stop_a_replay(store, model):
    """On the event clock, and for an as_of in the past, a state counts from its own time on."""
    newest = TS0_NS + 9 * MINUTE_NS
    store.states[EUR, "1m"] = _state("stale", "delayed", newest + 1)
    engine = make_engine(store, lambda: model)
    assert engine.score([Asked(EUR, "1m", None)])[0].lineage.raw_offset == 1009
    assert engine.score([Asked(EUR, "1m", newest)])[0].lineage.raw_offset == 1009
    assert _failure(engine, EUR, "1m", newest + 1)[0] == "FAILED_PRECONDITION"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ts": TRAINED_UNTIL_NS}, "row is in the training period"),
        ({"warm": False}, "warming up"),
        ({"pack_hash": "other"}, f"lacks a feature pack of the model's, {PACK[0]}@{PACK[1]}"),
        ({"regime__model": "hmm"}, "regime of the row is not of the model's, trend, meanrev, stress by bocpd"),
        ({"tf": "1h"}, "no horizon for this timeframe: one of 1m, 5m"),
        ({"meta__close": float("nan")}, "cannot be scored: bad_value"),
    ],
)
def test_a_row_that_the_stage_would_not_score_gives_its_reason(store, model, changes, words):
    """A row that the stage gives no signal for is FAILED_PRECONDITION with the reason."""
    store.rows.clear()
    store.put(gold_record(0, **changes))
    code, message = _failure(make_engine(store, lambda: model), EUR, changes.get("tf", "1m"), None)
    assert code == "FAILED_PRECONDITION"
    assert words in message


def test_what_is_not_there_is_not_found(store, model):
    """An unknown symbol, a symbol without rows, and a time before the first row are NOT_FOUND, each in its words."""
    engine = make_engine(store, lambda: model)
    assert _failure(engine, "NOSUCH:XX", "1m", None) == ("NOT_FOUND", _failure(engine, "NOSUCH:XX", "1m", None)[1])
    assert "NOSUCH:XX is no instrument" in _failure(engine, "NOSUCH:XX", "1m", None)[1]
    assert _failure(engine, "GBPUSD:FX", "1m", None)[1] == "GBPUSD:FX 1m has no row among the latest rows"
    code, message = _failure(engine, EUR, "1m", TS0_NS - 1)
    assert code == "NOT_FOUND"
    assert "at or before 2014-05-05T11:59:59.999999999Z" in message
    asked = "symbol_id = 'EURUSD:FX' AND tf = '1m' AND ts <= '2014-05-05T11:59:59.999999999' ORDER BY ts DESC LIMIT 1"
    assert 'ClickHouse: mps sql "SELECT * FROM gold WHERE' in message
    assert message.endswith(f'{asked}"')


def test_a_stored_row_that_cannot_be_read_is_data_loss_and_harms_no_other(store, model):
    """A truncated row is DATA_LOSS; the request beside it is answered."""
    store.rows["GBPUSD:FX", "1m"] = [(TS0_NS, wire("gold.v1", gold_record(0))[:-1])]
    bad, good = make_engine(store, lambda: model).score([Asked("GBPUSD:FX", "1m", None), Asked(EUR, "1m", None)])
    assert bad.code is grpc.StatusCode.DATA_LOSS
    assert "record ends early" in bad.message
    assert good.lineage.raw_offset == 1009


@pytest.mark.parametrize("version", [0, 1])
def test_a_row_of_before_an_upgrade_is_scored_as_one_of_today(model, version):
    """The store keeps rows of earlier schema versions: their answers are those of the same rows written today."""
    records = [gold_record(i) for i in range(4)]
    today, earlier = FakeStore(), FakeStore()
    for i, record in enumerate(records):
        today.put(record)
        earlier.put(record, version if i % 2 else -1)
    asked = [Asked(EUR, "1m", record["ts"]) for record in records]
    answers = make_engine(earlier, lambda: model).score(asked)
    assert answers == make_engine(today, lambda: model).score(asked)
    assert [a.lineage.raw_offset for a in answers] == [1000, 1001, 1002, 1003]


def test_redis_away_and_no_model_are_unavailable_until_they_are_back(store, model, monkeypatch):
    """Redis away and a missing model are UNAVAILABLE with the remedy; both are used as soon as they are there."""
    monkeypatch.setattr("serving.engine.MODEL_RETRY_S", 0.0)
    models = []

    def load():
        if not models:
            raise ConfigError("baseline.onnx", "file", "missing", "run `mps train`")
        return models[0]

    engine = make_engine(store, load)
    code, message = _failure(engine, EUR, "1m", None)
    assert code == "UNAVAILABLE"
    assert "mps train" in message
    assert engine.ready().code is grpc.StatusCode.UNAVAILABLE
    models.append(model)
    assert engine.ready() is None
    store.away = True
    assert _failure(engine, EUR, "1m", None) == ("UNAVAILABLE", "Redis: connection refused")
    assert _failure(engine, EUR, "1m", TS0_NS) == ("UNAVAILABLE", "Redis: connection refused")
    assert "Redis" in engine.ready().message
    store.away = False
    assert engine.score([Asked(EUR, "1m", None)])[0].score == pytest.approx(np.tanh((0.6 * 1.388 + 0.03 * 0.49) / 2))
