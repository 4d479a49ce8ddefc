"""The feature service on a real Redis and a real ClickHouse: one answer, strictly as of a time, policy applied."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import redis

from offline.features.clickhouse_rows import ClickHouseRows, at_address, at_path
from offline.features.packs import load_view
from offline.features.redis_rows import RedisRows
from offline.features.rows import Rows
from offline.features.service import FeatureService
from processors.bars.config import BarsConfig
from processors.errors import ConfigError, RetryableError
from processors.reconcile.config import ReconcileConfig
from processors.sinks.redis_store import FILLING_KEY
from schemas.features import FOUNDING_PACK, load_pack
from schemas.freshness import ROW_KNOWN_AFTER_NS
from tests.features.conftest import N_MINUTES, SYMBOLS, fill_redis, gold_values, minute

ALL = [*SYMBOLS, "GCZ13:CMX"]


def bits(table: pa.Table) -> list:
    """Return every value of a table with its bits: NaN, null, 0 and -0 differ."""
    out = []
    for name in table.column_names:
        out += [np.float64(v).tobytes() if isinstance(v, float) else v for v in table.column(name).to_pylist()]
    return out


@pytest.mark.parametrize("pack_id", [FOUNDING_PACK, "cross_section_v1", "cross_section_v2"])
@pytest.mark.parametrize("rows", [1, 2, 17, 100])
@pytest.mark.parametrize("as_of", [None, minute(0) - 1, minute(5) + 2000, minute(27) + 500, minute(99)])
def test_the_rows_of_redis_are_those_of_clickhouse_bit_for_bit(live, history, as_of, rows, pack_id):
    """The rows of Redis are those of ClickHouse, bit for bit, as of any time; of gold and of the cross-section."""
    for known_by in (None, minute(27)):
        answers = [
            FeatureService([store]).get_features(ALL, as_of, pack_id, rows=rows, known_by=known_by)
            for store in (live, history)
        ]
        assert bits(answers[0]) == bits(answers[1])
        assert answers[0].schema.equals(answers[1].schema, check_metadata=True)
        assert as_of == minute(0) - 1 or answers[0].num_rows >= 2


def test_rows_of_the_cross_section_are_served_by_the_pack_they_name(live, history):
    """Rows that name no pack, of before rows did, have the first one; a row has a pack only where it names it."""
    for store in (live, history):
        of = {p: FeatureService([store]).get_features(ALL, None, f"cross_section_v{p}", rows=100) for p in (1, 2)}
        minutes = {
            p: [round((t - minute(0)) / 60e9) for t in of[p].column("ts").cast(pa.int64()).to_pylist()] for p in of
        }
        assert minutes[1] == [*range(N_MINUTES)] * 3
        assert minutes[2][:70] == [*range(5, N_MINUTES)] * 2
        assert minutes[2][70:] == [m for m in range(5, N_MINUTES) if m % 4 != 3]
        assert of[2].column("quality_stale").to_pylist()[:35] == [m % 7 == 1 for m in range(5, N_MINUTES)]
        # What the cross-section does not know of a bar is null, and never true.
        assert set(of[1].column("quality_gap").to_pylist()) == {False}
        assert of[1].column("quality_n_src").null_count == of[1].num_rows


def test_a_row_is_known_two_seconds_after_its_bar_and_a_held_one_when_it_was_let_go(live, history):
    """No row is served to whoever asks what was known before its known_at; from then on it is."""
    lateness_ms = ReconcileConfig().lateness_ms + BarsConfig().allowed_lateness_ms
    assert lateness_ms * 1_000_000 == ROW_KNOWN_AFTER_NS
    for store in (live, history):
        for pack_id in (FOUNDING_PACK, "cross_section_v1"):
            service = FeatureService([store])
            whole = service.get_features(["EURUSD:FX"], None, pack_id, rows=100)
            ts, known = (whole.column(n).cast(pa.int64()).to_pylist() for n in ("ts", "known_at"))
            held = [i % 6 == 2 and pack_id != FOUNDING_PACK for i in range(len(ts))]
            assert [k - t for k, t in zip(known, ts, strict=True)] == [
                ROW_KNOWN_AFTER_NS + (600_000_000_000 if h else 0) for h in held
            ]
            for at in (known[3], known[2] - 1, known[9] - 1, known[20], ts[-1]):
                expected = [t for t, k in zip(ts, known, strict=True) if k <= at]
                for n in (1, 4, 50):
                    found = service.get_features(["EURUSD:FX"], None, pack_id, rows=n, known_by=at)
                    assert found.column("ts").cast(pa.int64()).to_pylist() == expected[-n:]
                    ages = [(at - t) / 1e6 for t in expected[-n:]]
                    assert found.column("age_ms").to_pylist() == ages
            # Both times bound the answer.
            bounded = service.get_features(["EURUSD:FX"], ts[5], pack_id, known_by=known[20])
            assert bounded.column("ts").cast(pa.int64()).to_pylist() == [ts[5]]


def test_what_is_known_later_changes_no_earlier_answer(live):
    """The answer to what was known by a time is the same whatever rows have come since."""
    full = live.newest(SYMBOLS, "1m", None, 512, load_view("cross_section_v1"))
    for at in (minute(8.5), minute(12), minute(31)):
        now = FeatureService([live]).get_features(SYMBOLS, None, "cross_section_v1", rows=3, known_by=at)
        then = FeatureService([Listed(full.take(full.known_ns <= at))])
        assert bits(now) == bits(then.get_features(SYMBOLS, at, "cross_section_v1", rows=3))


def test_a_row_is_visible_from_its_time_on_and_not_a_nanosecond_before(live, history):
    """A row is visible from its time on, and not a nanosecond before."""
    for store in (live, history):
        service = FeatureService([store])
        times = service.get_features(["EURUSD:FX"], rows=5).column("ts").cast(pa.int64()).to_pylist()
        for before, at in pairwise(times):
            seen = [
                service.get_features(["EURUSD:FX"], t).column("ts").cast(pa.int64()).to_pylist() for t in (at - 1, at)
            ]
            assert seen == [[before], [at]]


def test_no_row_after_the_time_is_ever_served_and_later_rows_change_nothing(live, history):
    """No row after the time is ever served; and the answer is the one of a store that has no later rows."""
    full = live.newest(SYMBOLS, "1m", None, 512, load_view(FOUNDING_PACK))
    for as_of in (minute(5), minute(20) + 300, minute(33.3)):
        past = full.take(full.ts_ns <= as_of).newest(3)
        for store in (live, history):
            found = store.newest(SYMBOLS, "1m", as_of, 3, load_view(FOUNDING_PACK))
            assert (found.ts_ns <= as_of).all()
            assert found.values.tobytes() == past.values.tobytes()
            assert found.ts_ns.tolist() == past.ts_ns.tolist()


def test_what_the_first_store_has_dropped_comes_from_the_second(redis_url, history):
    """What the first store has dropped comes from the second: rows, order and values as if it had them all."""
    url = redis_url.rsplit("/", 1)[0] + "/10"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        fill_redis(url, gold_values(), rows_max=5)
        few = RedisRows(client)
        both, whole = FeatureService([few, history]), FeatureService([history])
        for as_of, rows in ((None, 1), (None, 4), (None, 30), (minute(2), 1), (minute(37), 9)):
            args = (ALL, as_of, FOUNDING_PACK, "1m")
            assert bits(both.get_features(*args, rows=rows)) == bits(whole.get_features(*args, rows=rows))


def test_while_redis_is_filled_the_rows_come_from_clickhouse(redis_url, history):
    """The half of a Redis that is being filled is not taken for the newest rows: ClickHouse has them."""
    url = redis_url.rsplit("/", 1)[0] + "/10"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        fill_redis(url, gold_values()[:30])
        client.set(FILLING_KEY, 1)
        half = RedisRows(client)
        for rows in (1, 9):
            answer = FeatureService([half, history]).get_features(SYMBOLS, rows=rows)
            assert bits(answer) == bits(FeatureService([history]).get_features(SYMBOLS, rows=rows))
        with pytest.raises(RetryableError, match="Redis is being filled"):
            FeatureService([half]).get_features(SYMBOLS)


def test_rows_of_another_pack_are_not_served(live, history):
    """Rows that lack the pack are not served: the newest one that has it is."""
    for store in (live, history):
        last = FeatureService([store]).get_features(["NZDUSD:FX"], minute(N_MINUTES), rows=3)
        assert [round((t - minute(0)) / 60e9) for t in last.column("ts").cast(pa.int64()).to_pylist()] == [36, 37, 38]


def test_the_table_has_the_features_in_the_order_of_the_pack(live):
    """The table has symbol, time, the features in the pack's order, pack hash, staleness and quality."""
    pack = load_pack(FOUNDING_PACK)
    table = FeatureService([live]).get_features(["AIG:US", "EURUSD:FX"], minute(10.5))
    assert table.column_names[: 2 + len(pack.features)] == ["symbol_id", "ts", *(f.name for f in pack.features)]
    assert table.column_names[2 + len(pack.features) :] == [
        "known_at", "pack_hash", "warm", "age_ms", "stale", "quality_stale", "quality_outlier_frac", "quality_n_src",
        "quality_lat_ms", "quality_gap",
    ]  # fmt: skip
    assert table.column("symbol_id").to_pylist() == ["AIG:US", "EURUSD:FX"]
    assert table.column("pack_hash").to_pylist() == [pack.hash] * 2
    # Half a minute old less what was added to the row's time; AIG's bar was made of stale ticks.
    assert all(29_999 < age <= 30_000 for age in table.column("age_ms").to_pylist())
    assert table.column("stale").to_pylist() == [True, False]
    assert table.schema.metadata == {b"pack_id": FOUNDING_PACK.encode(), b"pack_hash": pack.hash.encode()}


def test_an_old_row_is_stale_by_the_clock(live):
    """Without a time the clock decides what is stale; without a clock the newest row counts as now."""
    hour = 3_600_000_000_000
    ticking = FeatureService([live], now_ns=lambda: minute(N_MINUTES) + hour).get_features(["EURUSD:FX"])
    assert ticking.column("stale").to_pylist() == [True]
    assert 3_600_000 < ticking.column("age_ms")[0].as_py() < 3_700_000
    resting = FeatureService([live]).get_features(["EURUSD:FX"])
    assert (resting.column("stale").to_pylist(), resting.column("age_ms").to_pylist()) == ([False], [0.0])


def test_warm_is_what_the_policy_says_of_the_pack(live):
    """A row is warm when no feature of the policy warmup is null; optional ones do not count."""
    pack = load_view(FOUNDING_PACK)
    table = FeatureService([live]).get_features(list(SYMBOLS), rows=40)
    for row in table.to_pylist():
        lacking = [f.name for f in pack.pack.features if f.missing_policy == "warmup" and row[f.name] is None]
        assert row["warm"] == (not lacking)
    assert set(table.column("warm").to_pylist()) == {True, False}


class Listed:
    """A store of given rows."""

    name = "list"

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def newest(self, symbols, tf, as_of_ns, n, pack):  # noqa: ARG002 - the port's arguments
        """Return the rows."""
        rows = self.rows if as_of_ns is None else self.rows.take(self.rows.ts_ns <= as_of_ns)
        return rows.newest(n)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"symbols": []}, "symbols"), ({"symbols": [""]}, "symbols"),
        ({"symbols": list(map(str, range(1001)))}, "symbols"),
        ({"time_horizon": "7m"}, "time_horizon"), ({"rows": 0}, "rows"), ({"rows": 10_001}, "rows"),
        ({"pack_id": "nope"}, "pack_id"), ({"known_by": 5}, "known_by"),
        ({"as_of": datetime(2014, 5, 5, tzinfo=UTC).replace(tzinfo=None)}, "as_of"),
        ({"symbols": list(map(str, range(1000))), "rows": 10_000}, "symbols times rows times features"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_answered_names_the_argument(live, change, key):
    """A request that cannot be answered names the argument, its value and what is allowed."""
    with pytest.raises(ConfigError) as refused:
        FeatureService([live]).get_features(**{"symbols": ["EURUSD:FX"], **change})
    assert refused.value.key == key
    assert refused.value.remedy


def test_a_time_with_a_zone_is_the_same_instant_in_every_zone(live):
    """A time with a zone is the same instant in every zone and as nanoseconds."""
    at = datetime(2014, 5, 5, 12, 10, 0, 1, tzinfo=UTC)
    service = FeatureService([live])
    times = [at, at.astimezone(timezone(timedelta(hours=5))), minute(10) + 1000]
    assert len({str(bits(service.get_features(["EURUSD:FX"], t))) for t in times}) == 1


def test_a_store_that_is_away_is_named_and_never_taken_for_no_row(live, history, tmp_path):
    """A store that is away is named where its rows are needed; where they are not, the answer stands."""
    nobody = redis.Redis.from_url("redis://127.0.0.1:9/0", socket_connect_timeout=0.5)
    gone, away = RedisRows(nobody), ClickHouseRows(at_address("http://127.0.0.1:9"))
    with pytest.raises(RetryableError, match="Redis"):
        FeatureService([gone]).get_features(["EURUSD:FX"])
    with pytest.raises(RetryableError, match=r"Redis.*ClickHouse"):
        FeatureService([gone, away]).get_features(["EURUSD:FX"])
    with pytest.raises(RetryableError, match="ClickHouse"):
        FeatureService([live, away]).get_features(["EURUSD:FX", "GCZ13:CMX"])
    answered = FeatureService([gone, history]).get_features(["EURUSD:FX"])
    assert bits(answered) == bits(FeatureService([live, away]).get_features(["EURUSD:FX"]))
    with pytest.raises(ConfigError, match="mps sink"):
        FeatureService([ClickHouseRows(at_path(tmp_path))]).get_features(["EURUSD:FX"])
