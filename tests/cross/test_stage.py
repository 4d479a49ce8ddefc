"""The cross-section stage against its oracle, and whatever order its rows come in."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors.cross.config import CrossConfig
from processors.cross.stage import CROSS, MARKET_FIELDS, OWN_FIELDS, Cross
from processors.errors import ConfigError
from processors.feeds.partitioner import partition_of
from processors.runtime.codec import FlatCodec
from processors.runtime.memory import MemoryDriver
from processors.runtime.pipeline import DEAD_LETTER
from schemas.features import cross_features, load_pack
from schemas.registry import load_registry
from serving.messages import record_of
from tests.contract.sample import cut
from tests.contract.test_schemas import as_batch
from tests.cross.oracle import Bar, cross
from tests.cross.universe import MINUTE, T0, batch_of, interleaved, made_up, symbols

SMALL = CrossConfig(
    limit_s=7200.0, live_bars=(("1m", 3), ("5m", 1), ("15m", 1), ("1h", 1), ("1d", 1)), momentum_sessions=(1, 2, 4),
    window_bars=4, fast_bars=2, slow_bars=3,
)  # fmt: skip
"""Windows that fill within some minutes; nothing is too late by the limit."""
NUMBERS = (*OWN_FIELDS, *MARKET_FIELDS)


def run(bars: list[Bar], config: CrossConfig = SMALL, cuts: tuple[int, ...] = ()) -> MemoryDriver:
    """Run rows in that order through the stage, cut into batches anywhere."""
    driver, batch = MemoryDriver([Cross(config)]), batch_of(bars)
    edges = sorted({0, len(batch), *(c % len(batch) for c in cuts)})
    driver.run(cut(batch, a, b) for a, b in pairwise(edges))
    return driver


def logs(driver: MemoryDriver) -> dict[int, list[bytes]]:
    """Return what was published, by partition."""
    return {p: driver.records(CROSS, p) for topic, p in sorted(driver.logs) if topic == CROSS}


def rows_of(driver: MemoryDriver) -> list[dict]:
    """Return what was published as records, by close, timeframe and symbol."""
    entry = load_registry().current(CROSS)
    codec, out = FlatCodec(entry.schema, entry.id), []
    for values in logs(driver).values():
        columns, error = codec.decode(as_batch(values))
        assert not error.any()
        out += [record_of(columns, i) for i in range(len(columns))]
    tfs = ("1m", "5m", "15m", "1h", "1d")
    return sorted(out, key=lambda r: (r["ts"], tfs.index(r["tf"]), r["symbol_id"]))


def assert_equal(got: list[dict], want: list[dict]) -> None:
    """Compare records with the oracle's."""
    places = [tuple(w[k] for k in ("ts", "tf", "symbol_id", "universe_size", "n_missing")) for w in want]
    assert [tuple(g[k] for k in ("ts", "tf", "symbol_id", "universe_size", "n_missing")) for g in got] == places
    assert [g["stale"] for g in got] == [w["stale"] for w in want]
    for g, w in zip(got, want, strict=True):
        found = [np.nan if g["features"][n] is None else g["features"][n] for n in NUMBERS]
        if w["near_tie"]:
            # Deviations that differ in their last bits are a tie in one way of adding, and none in another.
            found[NUMBERS.index("xs_low_vol_rank")] = w["xs_low_vol_rank"]
        np.testing.assert_allclose(found, [w[n] for n in NUMBERS], rtol=1e-9, atol=1e-11, err_msg=str((g, w)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.integers(0, 10_000), st.lists(st.integers(0, 10_000), max_size=4))
def test_any_interleaving_gives_the_same_bytes(seed: int, order: int, cuts: list[int]) -> None:
    """Whatever order keeps that of each partition, and whatever batches it comes in, the published bytes are equal."""
    partitions = made_up(seed)
    plain = run(interleaved(partitions, 0))
    other = run(interleaved(partitions, order), cuts=tuple(cuts))
    assert logs(other) == logs(plain)
    assert other.counts("cross") == plain.counts("cross")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000))
def test_the_stage_agrees_with_the_slow_way(seed: int) -> None:
    """Members, missing, staleness and fifteen features are those that dictionaries and pandas make of all rows."""
    partitions = made_up(seed)
    last = max(b.ts for rows in partitions for b in rows)
    want = [r for r in cross(partitions, SMALL) if r["ts"] < last]
    got = [r for r in rows_of(run(interleaved(partitions, seed + 1))) if r["ts"] < last]
    assert_equal(got, want)
    assert len({n for n in NUMBERS if any(r["features"][n] is not None for r in got)}) == len(NUMBERS)


def bar(minute: float, symbol: str, ret: float = 0.01, tf: str = "1m") -> Bar:
    """Return a plain row."""
    return Bar(T0 + int(minute * MINUTE), symbol, tf, 1, 10.0, 1.0, ret, stale=False)


def shapes(driver: MemoryDriver) -> list[tuple[float, int, int, int]]:
    """Return minute, rows, members and missing of each barrier that was published."""
    found: dict[float, list[dict]] = {}
    for row in rows_of(driver):
        found.setdefault((row["ts"] - T0) / MINUTE, []).append(row)
    return [(m, len(rows), rows[0]["universe_size"], rows[0]["n_missing"]) for m, rows in found.items()]


A, B, C, D = (symbols(p, 3) for p in range(4))
LIVE = replace(SMALL, limit_s=300.0)


def everyone(minute: int, *but: str) -> list[Bar]:
    """Return a row of two symbols of each partition, less some."""
    return [bar(minute, s) for names in (A, B, C, D) for s in names[:2] if s not in but]


def test_a_barrier_closes_with_its_last_member() -> None:
    """The rows are out as soon as every live symbol is there, before any row of the next minute."""
    rows = everyone(0) + everyone(1)
    assert shapes(run(rows[:-1], LIVE)) == []
    assert shapes(run(rows, LIVE)) == [(1.0, 8, 8, 0)]


def test_a_silent_symbol_is_not_waited_for_once_its_partition_is_past() -> None:
    """A missing member holds its barrier up until every partition has come past it, not longer."""
    rows = everyone(0) + everyone(1, A[0])
    assert shapes(run([*rows, bar(2, A[1]), bar(2, B[0]), bar(2, C[0])], LIVE)) == []
    assert shapes(run([*rows, bar(2, A[1]), bar(2, B[0]), bar(2, C[0]), bar(2, D[0])], LIVE)) == [(1.0, 7, 8, 1)]


def test_nothing_waits_for_a_partition_beyond_the_limit() -> None:
    """A partition that falls silent holds the others up until they are the limit ahead; its late rows are counted."""
    rows = everyone(0) + everyone(1)
    ahead = [bar(m, s) for m in range(2, 9) for names in (A, B, C) for s in names[:2]]
    assert [m for m, *_ in shapes(run(rows + ahead[: 5 * 6], LIVE))] == [1.0]
    driver = run(rows + ahead, LIVE)
    # Minute 1 is five minutes behind minute 6, and more behind minute 7: from then on partition D is left out.
    assert [m for m, *_ in shapes(driver)] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    late = run([*rows, *ahead, bar(5, D[0]), bar(5, D[1])], LIVE)
    assert "straggler" not in late.counts("cross"), "nobody of D is live in minute 5 any more, so they join"
    assert logs(late) == logs(driver)
    straggling = run([*rows, *ahead, bar(3, D[0])], LIVE)
    assert straggling.counts("cross")["straggler"] == 1
    assert logs(straggling) == logs(driver)


def test_a_row_that_is_late_in_its_own_partition_is_a_straggler() -> None:
    """A row before one that its partition has brought is counted and changes nothing, published barrier or not."""
    rows = everyone(0) + everyone(1, A[0]) + everyone(2)
    driver = run([*rows, bar(1, A[0], 0.5)], LIVE)
    assert driver.counts("cross")["straggler"] == 1
    assert logs(driver) == logs(run(rows, LIVE))


def test_a_new_symbol_is_ranked_from_its_second_bar_on() -> None:
    """The first bar joins; the next one is a member's."""
    rows = everyone(0) + everyone(1) + [bar(1, A[2])] + everyone(2) + [bar(2, A[2])]
    assert shapes(run(rows, LIVE)) == [(1.0, 8, 8, 0), (2.0, 9, 9, 0)]
    assert run(rows, LIVE).counts("cross")["joins"] == 9


def test_closes_and_returns_of_another_basis_are_forgotten() -> None:
    """A symbol that starts anew at a quarter of the price has no momentum, beta or rank of stillness of before."""
    rows = [replace(b, session=m, close=10.0 + m) for m in range(9) for b in everyone(m)]
    began = T0 + 6 * MINUTE
    anew = [replace(b, close=b.close / 4, basis=began) if b.symbol == A[0] and b.ts >= began else b for b in rows]
    plain, found = ([r["features"] for r in rows_of(run(x)) if r["symbol_id"] == A[0]] for x in (rows, anew))
    known = {n: [f[n] is not None for f in found] for n in ("xs_momentum_1mo_rank", "xs_low_vol_rank")}
    # Minutes 1 to 8: a session back there is one from the second bar on, and four returns from the fourth.
    assert known["xs_momentum_1mo_rank"] == [True] * 5 + [False] + [True] * 2
    assert known["xs_low_vol_rank"] == [False] * 3 + [True] * 2 + [False] * 3
    assert found[-1]["xs_momentum_1mo_rank"] == plain[-1]["xs_momentum_1mo_rank"]


def test_a_contract_weighs_by_what_its_units_are_worth() -> None:
    """Ten contracts of 50 times the index at 2,000 are a million; as many shares at 2,000 are 20,000."""
    names = {"ESZ13:CME": 0.01, "AIG:US": -0.02, "NEW:US": 0.04}
    rows = [replace(bar(m, s, r), close=2000.0, volume=10.0) for m in range(5) for s, r in names.items()]
    # Not every partition has a symbol, so that barriers wait for the limit.
    config = replace(SMALL, limit_s=60.0)
    found, weights = rows_of(run(rows, config)), np.array([50.0, 1.0, 1.0])
    want = (np.expm1(list(names.values())) * weights).sum() / weights.sum()
    assert found[0]["features"]["market_return_volume"] == pytest.approx(want, rel=1e-12)
    assert_equal(found, cross([rows], config)[: len(found)])


def test_a_timeframe_does_not_wait_for_a_longer_one() -> None:
    """Barriers of minutes go out while that of five minutes lacks a member, and come before it."""
    rows = [replace(b, tf=tf) for m in (0, 5) for tf in ("1m", "5m") for b in everyone(m)]
    live = replace(LIVE, live_bars=(("1m", 9), *SMALL.live_bars[1:]))
    driver = run(rows[:-1], live)
    assert {r["tf"] for r in rows_of(driver)} == {"1m"}
    assert {r["tf"] for r in rows_of(run(rows, live))} == {"1m", "5m"}


def test_impossible_rows_are_dead_letters() -> None:
    """A close of zero, a negative volume, an unknown timeframe, an infinite return or quality: one letter each."""
    good = bar(0, A[0])
    bad = [
        replace(good, close=0.0),
        replace(good, volume=-1.0),
        replace(good, tf="2m"),
        replace(good, log_return=np.inf),
        replace(good, quality=-np.inf),
    ]
    driver = run([good, *bad])
    assert driver.counts("cross") == {"joins": 1, "dead": 5}
    letters = driver.records(DEAD_LETTER, 0)
    errors = ("bad_price", "bad_volume", "unknown_timeframe", "bad_return", "bad_quality")
    for letter, error in zip(letters, errors, strict=True):
        assert error.encode() in letter


def test_rows_go_where_the_feeds_would_put_them() -> None:
    """Each row of ``cross.v1`` is in the partition of its symbol, though all came from one."""
    driver = run(interleaved(made_up(3), 1))
    entry = load_registry().current(CROSS)
    codec = FlatCodec(entry.schema, entry.id)
    for p, values in logs(driver).items():
        columns, _ = codec.decode(as_batch(values))
        names = {record_of(columns, i)["symbol_id"] for i in range(len(columns))}
        assert names
        assert {partition_of(n.encode(), 4) for n in names} == {p}


def test_the_rows_of_the_catalog_are_the_fields_of_the_record() -> None:
    """The features of the catalog that cross computes are those it writes, with its windows."""
    rows = cross_features()
    assert {r.name for r in rows} == set(NUMBERS)
    assert len(rows) == len(NUMBERS)
    config = CrossConfig()
    by_name = {r.name: r for r in rows}
    assert by_name["market_beta"].numbers == {"window": config.window_bars}
    assert by_name["market_mcclellan_oscillator"].numbers == {"fast": config.fast_bars, "slow": config.slow_bars}
    for name, sessions in zip(OWN_FIELDS[1:4], config.momentum_sessions, strict=True):
        assert by_name[name].numbers == {"sessions": sessions}
        assert by_name[name].warmup_bars == sessions + 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("limit_s", 0.0), ("live_bars", (("1m", 3),)), ("momentum_sessions", (3, 2, 1)), ("window_bars", 1),
        ("fast_bars", 39), ("partitions", 0),
    ],
)  # fmt: skip
def test_values_that_cannot_work_are_refused(key: str, value: object) -> None:
    """Each knob out of its range is named."""
    with pytest.raises(ConfigError, match=key):
        CrossConfig(**{key: value})  # type: ignore[arg-type]


def test_the_platform_may_have_other_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """MPS_PARTITIONS says how many; Kafka having another number stops the stage at its start."""
    monkeypatch.setenv("MPS_PARTITIONS", "8")
    driver = MemoryDriver([Cross(CrossConfig.from_environment())])
    driver.pipeline.placing.set_partitions(8)
    with pytest.raises(ConfigError, match="set MPS_PARTITIONS"):
        driver.pipeline.placing.set_partitions(4)
    monkeypatch.setenv("MPS_PARTITIONS", "many")
    with pytest.raises(ConfigError, match="MPS_PARTITIONS"):
        CrossConfig.from_environment()


def test_a_row_names_the_packs_that_it_has() -> None:
    """Every row names each pack of the cross-section by id and hash, so that a reader knows what its numbers mean."""
    rows = rows_of(run(interleaved(made_up(3), 1)))
    refs = [load_pack(pack_id).ref for pack_id in ("cross_section_v1", "cross_section_v2")]
    assert rows
    assert all(r["packs"] == refs for r in rows)
