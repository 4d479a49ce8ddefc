"""Every pack back-filled over a small market: a curve, facts, timeframes, a universe; bit for bit as the stream."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from offline.features import backfill as job
from offline.features.bar_order import Place, pages
from offline.features.bar_source import ParquetBars
from offline.features.bootstrap import cross_history
from offline.features.chain import reads_facts
from offline.features.checkpoints import write_checkpoint
from offline.features.known_facts import KnownFacts, columns_of
from offline.features.packs import load_view
from offline.features.versions import read_version
from offline.warehouse.tables import tables
from processors.cross.config import CrossConfig
from processors.cross.stage import CROSS, Cross
from processors.errors import ConfigError, PlatformError
from processors.featurize.config import FeaturizeConfig
from processors.featurize.stage import Featurize
from processors.featurize.universe import UNIVERSE
from processors.feeds.partitioner import Partitioner
from processors.reference.records import Fundamental, MarketEvent
from processors.regime.stage import build as build_regime
from processors.runtime.batch import Columns
from processors.runtime.codec import FlatCodec
from processors.runtime.state import COUNTS, pack_key, unpack_key
from processors.runtime.strings import STRINGS
from processors.sinks.decode import Records, RowDecoder
from schemas.features import FOUNDING_PACK, PACKS_YAML
from schemas.registry import load_registry
from tests.featurize.conftest import make_bars
from tests.featurize.everything import CONTRACTS, DAY_NS, HOUR_NS, MAIN, START_NS, by_time, facts, market
from tests.support import joined

PACKS = tuple(yaml.safe_load(PACKS_YAML.read_text())["packs"])
OTHERS = ("AIG:US", "BAC:US", "IBM:US", "EURUSD:FX")
PARTITIONS = 4
FIRST, LAST = 10**18, 2**61


def all_facts():
    """Return the facts of the market, and figures of two more issuers."""
    more = []
    for i, symbol in enumerate(OTHERS[:2]):
        for q in range(5):
            end = START_NS + (20 * q - 30) * DAY_NS
            figure = 0.3 + i + q / 7
            more.append(Fundamental(symbol, "leverage", end, "2013Q3", figure, "ratio", end, end + HOUR_NS, "t"))
    for day in range(0, 101, 4):
        for symbol, name in (("POLICY:US", "primary_credit"), ("TREASURY:US", "3month"), ("TREASURY:US", "10year")):
            ts, value = START_NS + day * DAY_NS, day / 4096 + len(name) / 512
            more.append(MarketEvent(symbol, f"{name} {day}", "rate", name, ts, ts + HOUR_NS, value, "year", "", "t"))
    return [*facts(), *more]


@pytest.fixture(scope="session")
def bars():
    """Return the bars of each partition, in the order of its log."""
    daily = [make_bars(100, 40 + i, symbol=s, tf="1d", tf_ns=DAY_NS, start_ns=START_NS) for i, s in enumerate(OTHERS)]
    every = by_time(joined([market(), *daily]))
    of, _ = Partitioner(PARTITIONS).of(np.asarray(every["symbol_id"], np.int64))
    return {p: every.take(of == p) for p in range(PARTITIONS) if (of == p).any()}


@pytest.fixture(scope="session")
def streamed(bars):
    """Return the rows that the stages publish of them: of all packs at once, in small batches, facts in between."""
    packs = tuple(p for p in PACKS if not p.startswith("cross") and p != FOUNDING_PACK)
    featurize, regime, cross = Featurize(FeaturizeConfig((FOUNDING_PACK, *packs))), build_regime(), Cross(CrossConfig())
    gold, universe = [], []
    known = KnownFacts(all_facts(), PARTITIONS)
    for p, rows in bars.items():
        states = featurize.open(), regime.open()
        symbols = sorted({STRINGS.text(int(c)) for c in np.unique(rows["symbol_id"])})
        for batch in known.of(p, symbols):
            featurize.step(states[0], batch)
        for a, b in pairwise([*range(0, len(rows), 97), len(rows)]):
            out = featurize.step(states[0], rows.take(slice(a, b)))
            gold.append(regime.step(states[1], out.records["features.v1"]).records["gold.v1"])
            universe.append(out.records[UNIVERSE])
    together = by_time(joined(universe))
    state, ranks = cross.open(), []
    for a, b in pairwise([*range(0, len(together), 61), len(together)]):
        ranks.append(cross.step(state, together.take(slice(a, b))).records[CROSS])
    more = together.take(np.flatnonzero(np.asarray(together["tf"]) == STRINGS.code("1d"))[-20:])
    days = np.asarray(together["ts"], np.int64).max() // DAY_NS + 1 - np.asarray(more["ts"], np.int64).min() // DAY_NS
    more["ts"] += days * DAY_NS
    more["session"] += days
    return {"gold.v1": joined(gold), CROSS: joined(ranks), "state": dict(state.changed()), "more": more}


@pytest.fixture(scope="session")
def bars_file(bars, tmp_path_factory):
    """Return a Parquet file of the table ``bars``, with the places in the log, the partitions one behind the other."""
    path = tmp_path_factory.mktemp("bars") / "bars.parquet"
    pq.write_table(pa.concat_tables([as_table(rows, p) for p, rows in bars.items()]), path)
    return path


def as_table(rows, partition=0):
    """Return bars of a partition as the table has them."""
    entry, n = load_registry().current("bars.v1"), len(rows)
    encoded = FlatCodec(entry.schema, entry.id).encode("bars.v1", 0, rows, np.asarray(rows["symbol_id"], np.int64))
    places = np.full(n, partition), np.arange(n), np.zeros(n, np.int64)
    return RowDecoder(tables()["bars.v1"]).decode(Records("bars.v1", list(encoded.values()), *places)).rows


def plan_of(root, pack_id, chunk_bars=10**6, from_ns=FIRST, to_ns=LAST, **more):
    """Return a plan with the facts."""
    more.setdefault("facts", KnownFacts(all_facts(), PARTITIONS))
    return job.Plan(root, load_view(pack_id), from_ns, to_ns, "bars", chunk_bars, **more)


def cells(table, names):
    """Return the bits of every row of a back-filled table, by symbol, timeframe and time."""
    values = np.array([table.column(n).to_numpy() for n in names])
    keys = zip(*(table.column(n).to_pylist() for n in ("symbol_id", "tf")),
               table.column("ts").cast(pa.int64()).to_pylist(), strict=True)  # fmt: skip
    return {key: np.ascontiguousarray(values[:, i]).tobytes() for i, key in enumerate(keys)}


def cells_of_stream(rows: Columns, names):
    """Return the same of rows of the stream."""
    take = [rows.layout.column[f"features.{name}"][1] for name in names]
    # Null is one NaN in a table, whatever its bits.
    values = np.where(np.isnan(rows.floats[take]), np.nan, rows.floats[take])
    texts = [[STRINGS.text(int(c)) for c in np.asarray(rows[n])] for n in ("symbol_id", "tf")]
    keys = zip(*texts, np.asarray(rows["ts"]).tolist(), strict=True)
    return {key: np.ascontiguousarray(values[:, i]).tobytes() for i, key in enumerate(keys)}


@pytest.mark.parametrize("pack_id", PACKS)
def test_every_pack_is_that_of_the_stream(pack_id, streamed, bars_file, tmp_path):
    """Every feature of every pack has the bits that the stream gave it: curves, facts, clusters and ranks too."""
    pack = load_view(pack_id)
    job.backfill(plan_of(tmp_path, pack_id), ParquetBars([bars_file], None, LAST))
    table = read_version(tmp_path, pack)
    assert cells(table, pack.names) == cells_of_stream(streamed[pack.source.topic], pack.names)
    filled = {name for name in pack.names if table.column(name).null_count < table.num_rows}
    # Sessions are too few here for momentum over six months.
    assert set(pack.names) - filled <= {"xs_momentum_6mo_rank"}


@pytest.mark.parametrize("pack_id", ["core_state_v1", "outside_v1", "cross_section_v2"])
def test_a_back_fill_in_pieces_is_the_one_without_a_break(pack_id, bars_file, tmp_path, monkeypatch):
    """Broken off behind each checkpoint and gone on with, the rows are those of a run that was never broken off."""

    def write_and_break(path, at):
        write_checkpoint(path, at)
        if not at.done:
            raise InterruptedError

    source, broken, made = ParquetBars([bars_file], None, LAST), 0, None
    monkeypatch.setattr(job, "write_checkpoint", write_and_break)
    while made is None:
        try:
            made = job.backfill(plan_of(tmp_path / "broken", pack_id, 300), source)
        except InterruptedError:
            broken += 1
    monkeypatch.undo()
    version, manifest = made
    assert broken > 5
    whole, told = job.backfill(plan_of(tmp_path / "whole", pack_id, 300), ParquetBars([bars_file], None, LAST))
    assert manifest.rows_sha256 == told.rows_sha256
    assert manifest.rows == told.rows
    one, _ = job.backfill(plan_of(tmp_path / "one", pack_id), ParquetBars([bars_file], None, LAST))
    names = load_view(pack_id).names
    roots = (tmp_path / "whole", tmp_path / "one")
    assert len({str(sorted(cells(read_version(r, load_view(pack_id)), names).items())) for r in roots}) == 1
    assert len({version.folder.name, whole.folder.name, one.folder.name}) == 1


def test_pages_end_where_they_would_have_ended_without_a_break(bars_file, bars):
    """Pages from any place on are those that one run reads from there: same bars, no partition ahead of the others."""
    source = ParquetBars([bars_file], None, LAST)
    partitions = {p: sorted({STRINGS.text(int(c)) for c in np.unique(rows["symbol_id"])}) for p, rows in bars.items()}
    whole = list(pages(source, partitions, {}, 400))
    assert len(whole) > 5
    assert {p: sum(len(b[p]) for b, *_ in whole if p in b) for p in bars} == {p: len(b) for p, b in bars.items()}
    for i, (_, _, places) in enumerate(whole[:-1]):
        again = next(iter(pages(source, partitions, places, 400)))
        assert {p: b.floats.tobytes() for p, b in again[0].items()} == {
            p: b.floats.tobytes() for p, b in whole[i + 1][0].items()
        }
        assert again[2] == whole[i + 1][2]
    ends = [max(place.newest_ns for place in places.values() if place != Place()) for _, _, places in whole]
    assert ends == sorted(ends)


def test_a_contract_alone_has_no_curve(bars_file, tmp_path):
    """The curve of a contract is made of all contracts of its root: of one alone there is none."""
    for name, symbols in (("alone", CONTRACTS[:1]), ("together", CONTRACTS)):
        job.backfill(plan_of(tmp_path / name, "outside_v1"), ParquetBars([bars_file], symbols, LAST))
    alone, together = (read_version(tmp_path / n, load_view("outside_v1")) for n in ("alone", "together"))
    assert alone.column("curve_slope").null_count == alone.num_rows
    assert together.column("curve_slope").null_count < together.num_rows


def test_without_facts_a_pack_that_reads_them_is_refused(bars_file, tmp_path):
    """A pack of facts is not made of nothing: the refusal says what to do; said on purpose, they are null."""
    assert {p for p in PACKS if reads_facts(load_view(p).pack)} == {
        "core_state_v1", "outside_v1", "outside_v2", "cross_section_v2"
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"facts for outside_v1.*--facts.*--no-facts"):
        plan_of(tmp_path, "outside_v1", facts=KnownFacts())
    plan = plan_of(tmp_path, "outside_v1", without_facts=True)
    _, manifest = job.backfill(plan, ParquetBars([bars_file], [MAIN], LAST))
    assert manifest.facts == "none, as asked"
    table = read_version(tmp_path, load_view("outside_v1"))
    assert table.column("quality_score").null_count == table.num_rows


def test_other_facts_make_another_version(bars_file, tmp_path):
    """A fact more or of another value makes another snapshot; a record that no feature reads does not."""
    known = all_facts()
    unread = Fundamental(MAIN, "shares_outstanding", START_NS, "2013Q3", 9.0, "shares", START_NS, START_NS, "t")
    snapshots = []
    for records in (known, known[:-1], known[::-1], [*known, unread]):
        plan = plan_of(tmp_path, "outside_v1", facts=KnownFacts(records, PARTITIONS))
        snapshots.append(job.backfill(plan, ParquetBars([bars_file], [MAIN], LAST))[1].snapshot)
    assert (len(set(snapshots)), snapshots[0]) == (2, snapshots[2])
    assert snapshots[3] == snapshots[0]


def test_an_event_of_no_market_type_is_told_in_its_own_partition_only():
    """An event that an import writes to one partition is known there only; one of the whole market everywhere."""
    ts = START_NS
    risk = MarketEvent("PORTFOLIO", "r", "other", "risk_budget_util", ts, ts, 0.5, "ratio", "", "t")
    rate = MarketEvent("FED:US", "p", "policy", "rate", ts, ts, 0.5, "ratio", "", "t")
    known = KnownFacts([risk, rate], PARTITIONS)
    counts = [sum(len(batch) for batch in known.of(p, [])) for p in range(PARTITIONS)]
    assert sorted(counts) == [1, 1, 1, 2]


def test_a_bar_that_is_none_is_named(tmp_path):
    """A bar that a stage refuses ends the back-fill with its rule; one that is late is left out and counted."""
    good = make_bars(20, 3, symbol="EURUSD:FX")
    twice = joined([good, good.take(slice(4, 7))])
    bad = good.take(slice(None))
    bad["h"][7] = 1.0
    for rows, name in ((twice, "twice"), (bad, "bad")):
        pq.write_table(as_table(rows), tmp_path / f"{name}.parquet")
    _, manifest = job.backfill(plan_of(tmp_path, FOUNDING_PACK), ParquetBars([tmp_path / "twice.parquet"], None, LAST))
    assert (manifest.left_out, manifest.rows) == (3, {"EURUSD:FX": 20})
    with pytest.raises(PlatformError, match=r"bad_range.*EURUSD:FX 1m.*high or low"):
        job.backfill(plan_of(tmp_path, FOUNDING_PACK), ParquetBars([tmp_path / "bad.parquet"], None, LAST))


def test_facts_travel_as_records_of_their_topics():
    """Facts come to a stage with the columns of their topic."""
    rows = columns_of("fundamentals.v1", [f for f in facts() if isinstance(f, Fundamental)][:3])
    assert rows.topic == "fundamentals.v1"
    assert len(rows) == 3


def test_the_state_of_history_goes_on_as_that_of_the_stream(bars_file, streamed):
    """Begun with the state of history, cross publishes what the stream goes on to publish, momentum among it."""
    known = KnownFacts(all_facts(), PARTITIONS)
    history = cross_history(ParquetBars([bars_file], None, LAST), PARTITIONS, chunk_bars=500, facts=known)
    assert history.bars == len(streamed["gold.v1"])
    assert history.newest_ns == int(np.asarray(streamed["gold.v1"]["ts"]).max())
    assert not [k for k in history.entries if unpack_key(k)[1] == COUNTS.name.encode()]
    prefix = pack_key([b"cross"])
    stage, rows = Cross(CrossConfig()), []
    for entries in ({k[len(prefix) :]: v for k, v in history.entries.items()}, streamed["state"], {}):
        state = stage.open()
        state.restore(entries)
        rows.append(stage.step(state, streamed["more"]).records[CROSS])
    assert len(rows[0]) > len(rows[2])
    assert rows[0].ints.tobytes() == rows[1].ints.tobytes()
    assert rows[0].floats.tobytes() == rows[1].floats.tobytes()
    assert np.isfinite(rows[0]["features.xs_momentum_1mo_rank"]).sum() > 8
    assert not np.isfinite(rows[2]["features.xs_momentum_1mo_rank"]).any()
