"""What the view says became of signals, against the labels that recipes have of the same rows, on the real engine."""

import math

import numpy as np
import pytest

from offline.datasets import shares
from offline.datasets.labelling import make_labels
from offline.labels import STRETCH_MAX
from offline.recipes.recipe import LabelSpec, ModelRecipe, ModelSpec, UniverseSpec
from offline.warehouse import outcomes
from offline.warehouse.client import Warehouse
from processors.reference.records import MarketEvent
from processors.runtime.strings import STRINGS
from schemas.timeframes import TIMEFRAME_NS
from tests.offline.datasets.test_clock import SYMBOLS, bars_of, ns
from tests.score.gold_rows import concat, make_gold
from tests.warehouse.test_warehouse import block

HORIZON = {"15m": 4, "1h": 3, "1d": 2}
FIRST, LAST = "2014-02-10", "2014-03-20"
UNKNOWN, POOR, BY_ACTIVITY = "NEW:X", "NZDUSD:FX", "v1000"
DAY_NS = TIMEFRAME_NS["1d"]
FIELDS = ("symbol_id", "event_id", "type", "name", "ts_event", "ts_known", "value", "unit", "text", "source")
KINDS = {"split": 7.0, "stock_dividend": 0.05, "dividend": 0.02, "spin_off": 0.1, "merger": 0.5, "symbol_change": None}


def made_bars(draw):
    """Return gold rows by timeframe: every market's bars with holes in them, and some made in closed hours."""
    found = {}
    for tf in HORIZON:
        parts = []
        for place, (symbol, calendar) in enumerate(
            [*((s, c) for c, s in SYMBOLS.items()), (UNKNOWN, "XNYS"), (POOR, "FX")]
        ):
            ts = bars_of(calendar, tf, FIRST, LAST)
            shut = ns(FIRST) + 5 * DAY_NS + np.arange(3) * TIMEFRAME_NS[tf]
            # Some days end an hour before their sessions do.
            early = np.where(draw.random(len(ts)) < 0.2, TIMEFRAME_NS["1h"], 0)
            ts = ts - early if tf == "1d" else np.unique(np.r_[ts, shut])
            gone = [g + np.arange(draw.integers(1, 6)) for g in draw.integers(0, len(ts), 1 if tf == "1d" else 6)]
            ts = np.delete(ts, np.unique(np.minimum(np.concatenate(gone), len(ts) - 1)))
            gold = make_gold(len(ts), symbol=symbol, tf=tf, seed=place)
            gold["ts"], gold["meta.realized_vol"] = ts, 1.0
            parts.append((symbol, gold))
        found[tf] = [gold for _, gold in sorted(parts, key=lambda part: part[0])]
    return found


def made_events(draw):
    """Return actions as told, revised, moved and called off, before their ex-dates and after; two on some days."""
    found, span = [], ns(LAST) - ns(FIRST)
    for i in range(60):
        symbol, kind = draw.choice([*SYMBOLS.values(), UNKNOWN]), draw.choice(list(KINDS))
        ex = ns(FIRST) + int(draw.integers(0, span // DAY_NS)) * DAY_NS + int(draw.integers(0, 24)) * DAY_NS // 24
        for revision, days in enumerate(np.sort(draw.choice(60, draw.integers(1, 4), replace=False)) / 4 - 9):
            off, moved = revision and draw.random() < 0.4, int(draw.integers(-1, 2)) if revision else 0
            value = None if off or KINDS[kind] is None else KINDS[kind] * (1 + 0.5 * int(draw.integers(0, 2)))
            name = "amount" if kind in {"dividend", "spin_off"} else "ratio"
            text = "OTHER:US" if kind in {"merger", "symbol_change"} and not off else ""
            found.append(
                MarketEvent(
                    str(symbol), f"{symbol} {i}", str(kind), name, ex + moved * DAY_NS, ex + int(days * DAY_NS),
                    value, "x", text, "test",
                )
            )  # fmt: skip
    return found


def labels_of(tf, parts, events):
    """Return symbol and time of each row -> return and end of the label of a recipe; None where it is void."""
    gold, symbols = concat(*parts), tuple(sorted([*SYMBOLS.values(), UNKNOWN, POOR]))
    symbol = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    recipe = ModelRecipe(
        "t", LabelSpec(HORIZON[tf]), UniverseSpec(tf), ModelSpec("linear"), feature_packs=("core_value_v1",)
    )
    labels = make_labels(recipe, gold, symbol, symbols, shares.actions_by_zone(events))
    void = np.logical_or.reduce([rows for why, rows in labels.void.items() if why != "label_flat"])
    value = labels.move * labels.unit
    return {
        (symbols[s], tf, int(ts)): None if v else (float(x), int(end))
        for s, ts, v, x, end in zip(symbol, gold["ts"], void, value, labels.end_ns, strict=True)
    }, {why: int(rows.sum()) for why, rows in labels.void.items()}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Return an engine; each test has a database of its own in it."""
    warehouse = Warehouse.embedded(tmp_path_factory.mktemp("outcomes") / "clickhouse")
    yield warehouse
    warehouse.close()


def filled(engine, database, bars, events):
    """Return a warehouse with bars in two revisions, a signal at each, and events, twice; and the signals' scores."""
    warehouse = Warehouse(engine.client, "test", database)
    warehouse.create()
    rows, told = [], []
    for tf, parts in bars.items():
        for gold in parts:
            symbol = symbol_of(gold)
            for i, (ts, close) in enumerate(zip(gold["ts"].tolist(), gold["meta.close"].tolist(), strict=True)):
                key = {"symbol_id": symbol, "tf": tf, "ts": ts}
                rows += [{**key, "revision": r, "c": close if r else close + 1.0} for r in (1, 0)]
                told.append({**key, "horizon_bars": HORIZON.get(tf, 2), "score": (i % 3 - 1) / 2, "interval_lo": -1e-4,
                             "interval_hi": 1e-4})  # fmt: skip
    warehouse.insert("bars", block("bars.v1", *rows), "bars")
    warehouse.insert("signals", block("signals.v1", *told), "signals")
    if events:
        warehouse.insert("events", block("events.v1", *[{f: getattr(e, f) for f in FIELDS} for e in events] * 2), "e")
    return warehouse


def symbol_of(gold):
    """Return the symbol of rows that have one."""
    return STRINGS.text(int(gold["symbol_id"][0]))


def outcomes_of(warehouse, database):
    """Return the rows of the view."""
    columns = (
        "symbol_id, tf, toUnixTimestamp64Nano(ts), realized_return, toUnixTimestamp64Nano(outcome_ts), score, hit, "
        "gain, covered, close"
    )
    return warehouse.query(f"SELECT {columns} FROM {database}.signal_outcomes ORDER BY symbol_id, tf, ts")  # noqa: S608


@pytest.mark.parametrize("seed", range(3))
def test_outcomes_are_the_labels_of_recipes(engine, seed):
    """Return, time and voids beside nights, weekends, holes, splits, revisions; hit, gain and coverage follow."""
    assert (outcomes.STRETCH_MAX, outcomes.LEAST) == (STRETCH_MAX, shares.LEAST)
    draw = np.random.default_rng(seed)
    bars, events = made_bars(draw), made_events(draw)
    expected, voids = {}, {}
    for tf, parts in bars.items():
        found, why = labels_of(tf, parts, events)
        expected |= found
        voids = {name: voids.get(name, 0) + n for name, n in why.items()}
    blind = {key: label for tf, parts in bars.items() for key, label in labels_of(tf, parts, [])[0].items()}
    rows = outcomes_of(filled(engine, f"labels_{seed}", bars, events), f"labels_{seed}")
    assert len(rows) == len(expected)
    for symbol, tf, ts, value, end, score, hit, gain, covered, _ in rows:
        label = expected[symbol, tf, ts]
        if label is None:
            assert (value, end, hit, gain, covered) == (None, None, None, None, None), (symbol, tf, ts)
            continue
        assert value == pytest.approx(label[0], rel=1e-9, abs=1e-11), (symbol, tf, ts)
        assert end == label[1]
        assert covered == (-1e-4 <= value <= 1e-4)
        assert hit == (None if score == 0 or value == 0 else (score > 0) == (value > 0))
        assert gain == (None if score == 0 else math.copysign(1, score) * value)
    # Each reason is among the rows, and actions change some that they do not void.
    assert all(n > 0 for name, n in voids.items() if name != "label_flat")
    assert sum(1 for k, v in expected.items() if v and blind[k] and abs(v[0] - blind[k][0]) > 1e-4) > 20


def test_what_pays_more_than_the_share_was_worth_voids(engine):
    """Python refuses such a dividend; the view goes on, and has no outcome over it."""
    draw = np.random.default_rng(9)
    bars = {"1d": [next(gold for gold in made_bars(draw)["1d"] if symbol_of(gold) == POOR)]}
    ex = int(bars["1d"][0]["ts"][10]) - DAY_NS // 2
    event = MarketEvent(POOR, "a", "dividend", "amount", ex, ex - DAY_NS, 5.0, "x", "", "test")
    plain = {r[2]: r[3] for r in outcomes_of(filled(engine, "plain", bars, []), "plain")}
    poor = {r[2]: r[3] for r in outcomes_of(filled(engine, "poor", bars, [event]), "poor")}
    gone = [i for i, ts in enumerate(bars["1d"][0]["ts"].tolist()) if plain[ts] is not None and poor[ts] is None]
    assert gone == [8, 9]
    assert all(poor[ts] in (None, plain[ts]) for ts in poor)


def test_bars_by_activity_have_no_limit_and_a_new_warehouse_no_outcome(engine):
    """Of a timeframe without a length any later bar is an outcome; without bars and signals there is none."""
    draw = np.random.default_rng(3)
    gold = made_bars(draw)["1d"][0]
    rows = outcomes_of(filled(engine, "activity", {BY_ACTIVITY: [gold]}, []), "activity")
    assert [r[3] is None for r in rows] == [False] * (len(gold) - 2) + [True] * 2
    np.testing.assert_allclose([r[3] for r in rows[:-2]], np.log(gold["meta.close"][2:] / gold["meta.close"][:-2]))
    assert [r[9] for r in rows] == gold["meta.close"].tolist()
    warehouse = Warehouse(engine.client, "test", "empty")
    warehouse.create()
    assert outcomes_of(warehouse, "empty") == []


def test_a_price_that_has_not_moved_is_neither_hit_nor_miss(engine):
    """On either side: the gain is 0, the interval holds it, and hit is null; of a price that moved it is there."""
    draw = np.random.default_rng(5)
    whole = next(gold for gold in made_bars(draw)["1d"] if symbol_of(gold) == POOR)
    gold = {"symbol_id": whole["symbol_id"], "ts": whole["ts"][:9],
            "meta.close": np.array([2.0, 3.0, 2.0, 3.0, 2.0, 3.0, 2.5, 3.0, 2.0])}  # fmt: skip
    rows = outcomes_of(filled(engine, "still", {"1d": [gold]}, []), "still")
    assert [r[3] for r in rows[:4]] == [0.0] * 4
    assert [(r[5], r[6], r[7], r[8]) for r in rows[:4]] == [
        (-0.5, None, 0.0, True), (0.0, None, None, True), (0.5, None, 0.0, True), (-0.5, None, 0.0, True),
    ]  # fmt: skip
    assert [(r[5], r[6], r[8]) for r in rows[4:7]] == [(0.0, None, False), (0.5, None, True), (-0.5, True, False)]


def test_each_horizon_of_a_series_has_its_own_outcome(engine):
    """Two signals of one bar with horizons of 1 and 3 bars, and one without a horizon, which has no outcome."""
    gold = next(gold for gold in made_bars(np.random.default_rng(5))["1d"] if symbol_of(gold) == POOR)
    warehouse = filled(engine, "horizons", {"1d": [gold]}, [])
    key = {"symbol_id": POOR, "tf": "1d", "ts": int(gold["ts"][4]), "score": 1.0}
    warehouse.insert("signals", block("signals.v1", *({**key, "horizon_bars": h} for h in (1, 3, 0, -1))), "more")
    at = f"symbol_id = '{POOR}' AND ts = fromUnixTimestamp64Nano({key['ts']}, 'UTC')"
    columns = "horizon_bars, toUnixTimestamp64Nano(outcome_ts), realized_return"
    rows = warehouse.query(f"SELECT {columns} FROM horizons.signal_outcomes WHERE {at}")  # noqa: S608
    close = gold["meta.close"]
    ends = {h: (int(gold["ts"][4 + h]), pytest.approx(math.log(close[4 + h] / close[4]))) for h in (1, 2, 3)}
    assert {h: tuple(rest) for h, *rest in rows} == {**ends, 0: (None, None), -1: (None, None)}


def test_a_filter_of_symbol_and_timeframe_reaches_the_bars(engine):
    """Every read of bars and signals, those for actions too, goes by the index to the symbol and timeframe asked."""
    bars = {"1d": made_bars(np.random.default_rng(5))["1d"]}
    filled(engine, "pushed", bars, made_events(np.random.default_rng(5)))
    plan = engine.query(
        f"EXPLAIN indexes = 1 SELECT * FROM pushed.signal_outcomes WHERE symbol_id = '{POOR}' AND tf = '1d'"  # noqa: S608
    )
    # A read, and behind it what of its condition the index takes.
    reads = "\n".join(row[0] for row in plan).split("ReadFromMergeTree ")[1:]
    for table, least in (("bars", 2), ("signals", 3)):
        of_table = [read for read in reads if read.startswith(f"(pushed.{table})")]
        conditions = [read.split("Condition: ", 1)[1].split("\n")[0] for read in of_table]
        assert len(conditions) >= least
        assert all(f"symbol_id in ['{POOR}', '{POOR}']" in c and "tf in ['1d', '1d']" in c for c in conditions), table
