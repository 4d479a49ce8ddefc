"""``mps features``: rows, packs, meanings and back-fills as a person asks for them."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient

from cli.commands.features import features
from offline.features.asked_facts import with_roots
from offline.features.bootstrap import History
from offline.features.packs import load_view
from offline.features.service import FeatureService
from processors.cross.config import CrossConfig
from processors.errors import ConfigError, PlatformError
from processors.runtime.topics import create_topics, partition_counts
from processors.topology import PARTITIONS_VARIABLE
from schemas.features import FOUNDING_PACK, load_pack
from tests.serving.feature_support import ListedRows
from tests.serving.support import MINUTE_NS, TS0_NS


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Return a function that calls the command over rows in memory; errors are raised."""
    monkeypatch.setenv("MPS_HOME", str(tmp_path))
    monkeypatch.setattr("cli.feature_service.feature_service", lambda _clock: FeatureService([ListedRows()]))

    def call(*arguments: str) -> str:
        return CliRunner().invoke(features, arguments, catch_exceptions=False, standalone_mode=False).output

    return call


def test_rows_are_shown_as_of_a_time(run):
    """Rows are shown as of a time: as a table, and one JSON object a row."""
    lines = run("get", "EURUSD:FX", "--as-of", str(TS0_NS + 3 * MINUTE_NS), "--rows", "2", "--json").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["ts"] for row in rows] == ["2014-05-05T12:01:00.000000001Z", "2014-05-05T12:02:00.000000001Z"]
    names = [f.name for f in load_pack(FOUNDING_PACK).features]
    assert list(rows[0])[: 2 + len(names)] == ["symbol_id", "ts", *names]
    assert rows[0][names[0]] is None
    assert [row["known_at"] for row in rows] == ["2014-05-05T12:01:02.000000001Z", "2014-05-05T12:02:02.000000001Z"]
    known = run("get", "EURUSD:FX", "--known-by", "2014-05-05T12:02:02Z", "--json")
    assert json.loads(known)["ts"] == "2014-05-05T12:01:00.000000001Z"
    shown = run("get", "EURUSD:FX", "--as-of", "2014-05-05T12:03:00Z")
    assert names[2] in shown
    assert "2014-05-05" in shown
    assert "12:02:00.000000001Z" in shown


def test_no_time_and_no_value_of_the_table_is_cut(run, monkeypatch):
    """At 80 columns, 50 and 300: every row's times stand there in full, in columns that fit, and nothing is cut."""
    for width in (80, 50, 300):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = run("get", "EURUSD:FX", "--as-of", "2014-05-05T12:06:00Z", "--rows", "3")
        for minute in (3, 4, 5):
            assert shown.count(f" 12:0{minute}:00.000000001Z ") == 1
            assert shown.count(f" 12:0{minute}:02.000000001Z ") == 1
        assert "…" not in shown
        assert max(map(len, shown.splitlines())) <= width
        assert load_pack(FOUNDING_PACK).hash[:16] in shown


def test_a_symbol_without_rows_fails_and_names_it(run):
    """A symbol without rows fails and is named; a wrong time names the option and what is allowed."""
    with pytest.raises(PlatformError, match="no 1m row with the pack core_value_v1: AIG:US"):
        run("get", "EURUSD:FX", "AIG:US")
    with pytest.raises(ConfigError, match="NOPE:X"):
        run("get", "NOPE:X")
    with pytest.raises(ConfigError, match=r"--as-of is 'noon'.*ISO 8601"):
        run("get", "EURUSD:FX", "--as-of", "noon")
    with pytest.raises(ConfigError, match=r"--known-by is 'noon'.*ISO 8601"):
        run("get", "EURUSD:FX", "--known-by", "noon")


def test_packs_and_meanings_are_those_of_the_catalog(run):
    """Packs and meanings are those of the catalog: hash, features, and what each means."""
    pack = load_pack(FOUNDING_PACK)
    listed = {row["pack_id"]: row for row in map(json.loads, run("packs", "--json").splitlines())}
    assert (listed[FOUNDING_PACK]["hash"], listed[FOUNDING_PACK]["features"]) == (pack.hash, len(pack.features))
    assert FOUNDING_PACK in run("packs").replace("\n", "")
    assert pack.features[6].meaning in run("describe", pack.features[6].name)
    told = [json.loads(line)["name"] for line in run("describe", FOUNDING_PACK, "--json").splitlines()]
    assert told == [f.name for f in pack.features]
    with pytest.raises(ConfigError, match="nope"):
        run("describe", "nope")


def test_features_of_every_stage_are_described_and_a_slip_is_named_with_what_is_near(run):
    """Features of regime and cross are described as those of featurize; an unknown name is met with near ones."""
    for name in ("rsi_14_value", "regime_cluster_id", "xs_momentum_1mo_rank"):
        assert json.loads(run("describe", name, "--json"))["name"] == name
    with pytest.raises(ConfigError, match="xs_momentum_1mo_rank"):
        run("describe", "xs_momentum_1m_rank")


def test_a_backfill_without_bars_says_where_they_could_come_from(run, tmp_path):
    """A back-fill without a warehouse says where bars could come from; its bounds are checked first."""
    with pytest.raises(ConfigError, match=r"mps sink.*--bars"):
        run("backfill", "--from", "2014-05-01", "--to", "2014-05-31")
    with pytest.raises(ConfigError, match="at or after --from"):
        run("backfill", "--from", "2014-05-31", "--to", "2014-05-01")
    with pytest.raises(ConfigError, match="missing"):
        run("backfill", "--from", "2014-05-01", "--to", "2014-05-31", "--bars", str(tmp_path / "nope.parquet"))


def test_a_backfill_that_cannot_be_says_why(run, tmp_path, monkeypatch):
    """Facts that are named and refused, a missing file, no facts at all, and some symbols of all: each says why."""
    monkeypatch.delenv("MPS_BOOTSTRAP_SERVERS", raising=False)
    bounds = ("backfill", "--from", "2014-05-01", "--to", "2014-05-31")
    with pytest.raises(ConfigError, match=r"facts for outside_v1.*mps reference import.*--no-facts"):
        run(*bounds, "--pack", "outside_v1")
    with pytest.raises(ConfigError, match=r"--facts is .*nope.csv"):
        run(*bounds, "--pack", "outside_v1", "--facts", str(tmp_path / "nope.csv"))
    with pytest.raises(ConfigError, match=r"--no-facts.*one of the two"):
        run(*bounds, "--pack", "outside_v1", "--facts", str(tmp_path), "--no-facts")
    with pytest.raises(ConfigError, match=r"--symbols is 'AIG:US'.*a place among all symbols"):
        run(*bounds, "--pack", "cross_section_v1", "--symbols", "AIG:US")


def test_a_contract_brings_its_root_along():
    """Symbols of a pack with a curve bring the other contracts of their root; those of other packs stand alone."""
    found = with_roots(load_view("outside_v1"), ["GCZ13:CMX", "AIG:US"])
    assert found[:2] == ["GCZ13:CMX", "AIG:US"]
    assert "GCG14:CMX" in found
    assert not [s for s in found if s.startswith("ES")]
    assert with_roots(load_view(FOUNDING_PACK), ["GCZ13:CMX"]) == ["GCZ13:CMX"]


@pytest.mark.broker
def test_history_is_placed_as_the_topics_are(run, monkeypatch, bootstrap_servers, topic_prefix):
    """A bootstrap goes by the partitions that the topics have, though no variable says how many."""
    monkeypatch.setenv(PARTITIONS_VARIABLE, "8")
    create_topics(bootstrap_servers, topic_prefix, ["bars.v1", "universe.v1"])
    monkeypatch.delenv(PARTITIONS_VARIABLE)
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", bootstrap_servers)
    asked = []

    def history(_source, partitions, *_arguments, **_more):
        asked.append((partitions, CrossConfig.from_environment().partitions))
        return History({b"key": b"value"}, 3, 1, TS0_NS)

    monkeypatch.setattr("offline.features.addresses.bars_from", lambda *_: SimpleNamespace(counts=dict))
    monkeypatch.setattr("offline.features.asked_facts.facts_for", lambda *_, **__: (None, ()))
    monkeypatch.setattr("offline.features.bootstrap.cross_history", history)
    told = json.loads(run("bootstrap", "--to", "2014-05-01", "--prefix", topic_prefix, "--json"))
    assert asked == [(8, 8)]
    counts = partition_counts(AdminClient({"bootstrap.servers": bootstrap_servers}), bootstrap_servers)
    assert counts[told["changelog"]] == 8
