"""Import, show and check on a real broker: all of an import is seen, or nothing of it."""

import json
import random
import time

import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, TopicPartition

from cli.main import cli
from processors.errors import RetryableError
from processors.reference.in_use import use_reference
from processors.reference.load import load
from processors.reference.master import default_master
from processors.reference.records import MarketEvent
from processors.reference.store import ReferenceStore
from schemas.instruments import load_instruments, read_instruments
from tests.reference.good_files import FORMS, encoded

pytestmark = pytest.mark.broker


@pytest.fixture(name="platform")
def _platform(bootstrap_servers, monkeypatch, tmp_path):
    """Name the broker in the environment, as production does."""
    for name, value in {
        "MPS_BOOTSTRAP_SERVERS": bootstrap_servers, "MPS_REDIS_URL": "redis://127.0.0.1:9/0",
        "MPS_REGISTRY_URL": "http://127.0.0.1:9", "MPS_HOME": str(tmp_path / "home"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return bootstrap_servers


@pytest.fixture(name="files")
def _files(tmp_path):
    paths = []
    for form in ("securities", "fundamentals", "events"):
        path = tmp_path / f"{form}.csv"
        path.write_bytes(encoded(FORMS[form](random.Random(7)), ".csv"))
        paths.append(path)
    return paths


def run(*args: object, code: int = 0):
    result = CliRunner().invoke(cli, list(map(str, args)))
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_what_is_imported_is_read_back_and_importing_it_again_changes_nothing(platform, topic_prefix, files):
    """All records are read back as they were; a second import of the same files changes nothing."""
    store = ReferenceStore(platform, topic_prefix)
    assert store.read("reference.v1") == []
    loaded = load(files)
    for _ in range(2):
        done = json.loads(run("reference", "import", *files, "--prefix", topic_prefix, "--json").output)
        assert done["records"] == {"reference.v1": 6, "fundamentals.v1": 9, "events.v1": 6}
        for topic, records in (("reference.v1", loaded.securities), ("fundamentals.v1", loaded.fundamentals),
                               ("events.v1", loaded.events)):  # fmt: skip
            assert sorted(store.read(topic), key=repr) == sorted(records, key=repr)


def test_what_is_imported_is_known_to_stages_that_start_with_the_topic(platform, topic_prefix, tmp_path, monkeypatch):
    """A new security is no instrument before; after the import it is one, by the topic and by an exported list."""
    assert platform
    rows = "symbol_id,asset_class,price_basis,currency,tick_size,lot_size,multiplier,session_calendar"
    (tmp_path / "new.csv").write_text(f"{rows}\nNEWCO:US,equity,trade,USD,0.01,1,1,XNYS\n")
    said = run("reference", "import", tmp_path / "new.csv", "--prefix", topic_prefix).output
    assert "NEWCO:US" in said
    assert "MPS_REFERENCE=topic" in said
    run("reference", "export", tmp_path / "list.csv", "--prefix", topic_prefix)
    assert "NEWCO:US" in read_instruments(tmp_path / "list.csv").by_symbol
    monkeypatch.setenv("MPS_INSTRUMENTS", "")
    monkeypatch.delenv("MPS_INSTRUMENTS")
    monkeypatch.setenv("MPS_REFERENCE", "topic")
    try:
        use_reference(topic_prefix)
        assert "NEWCO:US" in load_instruments().by_symbol
        assert "EURUSD:FX" in load_instruments().by_symbol
    finally:
        load_instruments.cache_clear()
        default_master.cache_clear()


def test_a_wrong_file_leaves_the_topics_as_they_were(platform, topic_prefix, files, tmp_path):
    """One wrong cell in one of several files: the command fails with row and column, and no topic has a record."""
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(files[2].read_text().replace("dividend", "Dividend", 1))
    said = run("reference", "import", *files[:2], wrong, "--prefix", topic_prefix, code=1)
    assert "row 2: column type is 'Dividend'" in said.stderr
    assert "nothing was imported" in said.stderr
    store = ReferenceStore(platform, topic_prefix)
    assert all(store.read(t) == [] for t in ("reference.v1", "fundamentals.v1", "events.v1"))


def test_a_transaction_that_breaks_is_not_seen(platform, topic_prefix, files):
    """A failure in the middle of the import aborts it: readers see none of it, and the next import is whole."""
    store = ReferenceStore(platform, topic_prefix)
    loaded = load(files)

    def failing():
        yield from loaded.records[:10]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        store.publish(failing())
    assert store.read("reference.v1") == []
    store.publish(loaded.records)
    assert len(store.read("reference.v1")) == 6


@pytest.mark.usefixtures("platform")
def test_a_file_that_contradicts_what_is_there_is_refused(topic_prefix, files, tmp_path):
    """A symbol that another security has already is refused, though the file alone is right."""
    run("reference", "import", files[0], "--prefix", topic_prefix)
    rows = FORMS["securities"](random.Random(7))
    thief = rows[5] | {"security_id": "another coin"}
    path = tmp_path / "thief.jsonl"
    path.write_bytes(encoded([thief], ".jsonl"))
    said = run("reference", "import", path, "--prefix", topic_prefix, code=1)
    assert "row 1: column symbol_id" in said.stderr
    assert "loaded already" in said.stderr
    assert run("reference", "check", path).output.startswith("fine: 1 rows")


@pytest.mark.usefixtures("platform")
def test_show_answers_as_of_a_time_as_known(topic_prefix, files):
    """Show finds who had a ticker at a time, with its events; says when a symbol meant something; lists history."""
    run("reference", "import", *files, "--prefix", topic_prefix)
    rows = FORMS["securities"](random.Random(7))
    symbol, first, other = rows[0]["symbol_id"], rows[0]["isin"], rows[2]["isin"]

    def shown(*more: str, code: int = 0):
        return run("reference", "show", symbol, "--prefix", topic_prefix, *more, code=code)

    early, late = rows[0]["valid_from"][:-2] + "02", str(int(rows[2]["valid_from"][:4]) + 1) + "-01-01"
    assert json.loads(shown("--as-of", early, "--json").output)["securities"][0]["security_id"] == first
    assert json.loads(shown("--as-of", late, "--json").output)["securities"][0]["security_id"] == other
    assert first in shown("--as-of", early).output
    assert len(json.loads(shown("--history", "--json").output)["securities"]) == 3
    missing = CliRunner().invoke(cli, ["reference", "show", "NOSUCH:US", "--prefix", topic_prefix])
    assert "NOSUCH:US" in str(missing.exception)
    events = json.loads(run("reference", "show", "IBM:US", "--prefix", topic_prefix, "--json").output)["events"]
    assert [e["type"] for e in events] == ["dividend", "split", "dividend"]


def test_files_are_asked_without_a_platform(monkeypatch, tmp_path, files):
    """Without a platform, files given are asked, and else the list of instruments, which says so."""
    monkeypatch.setenv("MPS_HOME", str(tmp_path / "nowhere"))
    monkeypatch.delenv("MPS_BOOTSTRAP_SERVERS", raising=False)
    listed = run("reference", "show", "AIG:US", "--json")
    assert json.loads(listed.stdout)["securities"][0]["session_calendar"] == "XNYS"
    assert "no platform runs" in listed.stderr
    coin = run("reference", "show", "BTC-USD:CRYPTO", "--file", files[0], "--as-of", "2016-05-02", "--json")
    assert json.loads(coin.stdout)["securities"][0]["valid_from"] == "2015-01-08T00:00:00Z"
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(files[0].read_text().replace("XNYS,equity", "xnys,equity"))
    told = json.loads(run("reference", "check", wrong, "--json", code=1).stdout)
    assert [(p["row"], p["column"]) for p in told["problems"]] == [(r, "mic") for r in (2, 3, 4, 5)]


def test_a_broker_that_is_away_is_named(monkeypatch):
    """A broker that does not answer is an error that can be tried again."""
    monkeypatch.setattr("processors.runtime.topics.CONNECT_TIMEOUT_S", 1.0)
    with pytest.raises(RetryableError, match=r"127\.0\.0\.1:9"):
        ReferenceStore("127.0.0.1:9").read("reference.v1")


def test_an_event_of_the_whole_market_is_in_every_partition_and_read_once(platform, topic_prefix):
    """The close of an index lies in each partition, a dividend in one; both are read back once, in the same order."""
    store = ReferenceStore(platform, topic_prefix)
    events = [
        MarketEvent("VIX:INDEX", "VIX 1", "index", "close", 10, 10, 17.5, "points", "", "test"),
        MarketEvent("AIG:US", "AIG 1", "dividend", "amount", 20, 10, 0.5, "USD", "", "test"),
    ]
    assert store.publish(events, 3) == {"events.v1": 2}
    # Each partition's transaction ends with a marker; the commit is answered before all of them are written.
    deadline = time.monotonic() + 20.0
    while sorted(n - 1 for n in describe(platform, f"{topic_prefix}events.v1")) != [1, 1, 2]:
        assert time.monotonic() < deadline, "the markers of a commit were not written"
        time.sleep(0.05)
    assert sorted(store.read("events.v1"), key=repr) == sorted(events, key=repr)
    assert store.read("events.v1") == store.read("events.v1")


def describe(servers, topic):
    """Return the end of each partition's log."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test-ends"})
    try:
        places = [TopicPartition(topic, p) for p in range(3)]
        return [consumer.get_watermark_offsets(place, 10)[1] for place in places]
    finally:
        consumer.close()
