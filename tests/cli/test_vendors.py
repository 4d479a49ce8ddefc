"""``mps vendors`` on a real broker: what the state says, as it was committed."""

import json

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from cli.commands.vendors import vendors
from processors.reconcile.learned import learned
from processors.reconcile.stage import build
from processors.runtime.changelog import changelog_batch
from processors.runtime.pipeline import PartitionState, Pipeline
from processors.runtime.topics import create_changelog
from tests.reconcile.ticks import Run, quote, trade

pytestmark = pytest.mark.broker


@pytest.fixture
def run(bootstrap_servers, topic_prefix, monkeypatch) -> Run:
    """Two sources of one symbol and one of another, their state in partition 2 of the changelog of a chain."""
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", bootstrap_servers)
    run = Run()
    # The one that the command has too: kept state is read under the settings it was made under.
    run.stage = build()
    # As a process has it, with the window of its dead letters.
    whole = Pipeline([run.stage]).open()
    run.state = whole.states["reconcile"]
    topic = f"{topic_prefix}reconcile-bars.changelog"
    create_changelog(bootstrap_servers, topic)
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    for at in range(90):
        run.feed(quote("FXCM", at, 1.38, 1.39), quote("OANDA", at + 0.5, 1.37, 1.38), trade("BINANCE", at, 100.0))
        if at % 30 == 29:
            batch = changelog_batch(topic, 2, PartitionState({"reconcile": run.state, "bars": run.stage.open()}))
            for key, value in zip(batch.keys(), batch.values(), strict=True):
                producer.produce(topic, value, key, 2)
            run.state.clean()
    producer.flush(20)
    return run


def output_of(*arguments: str):
    return CliRunner().invoke(vendors, arguments, catch_exceptions=False)


def test_the_newest_committed_state_is_told(run, topic_prefix) -> None:
    """Every source by symbol, the most trusted first; of one symbol alone where that is asked."""
    result = output_of("--prefix", topic_prefix, "--json")
    assert result.exit_code == 0
    told = json.loads(result.output)
    want = {(x.symbol_id, x.source): x for x in learned(run.state, run.stage.config)}
    assert [x["symbol_id"] for x in told] == ["BTC-USD:CRYPTO", "EURUSD:FX", "EURUSD:FX"]
    for x in told:
        known = want.pop((x["symbol_id"], x["source"]))
        assert [x[n] for n in ("trust", "uptime", "reliability", "ts_ns")] == [
            known.trust, known.uptime, known.reliability, known.ts_ns,
        ]  # fmt: skip
    assert not want
    assert told[1]["trust"] >= told[2]["trust"]
    table = output_of("EURUSD:FX", "--prefix", topic_prefix).output
    assert "FXCM" in table
    assert "OANDA" in table
    assert "BINANCE" not in table
    assert "…" not in table
