"""What is told of every source is what its ticks were, and Prometheus gets the same."""

import pytest
from prometheus_client import CollectorRegistry

from processors.reconcile.learned import GAUGES, Line, SourceMetrics, learned, lines, rates
from schemas.vendors import Vendor
from tests.reconcile.ticks import SECOND, T0, Run, heartbeat, quote, trade

SYMBOL = "BTC-USD:CRYPTO"


@pytest.fixture
def run() -> Run:
    """Three vendors for two minutes: B is 1 % off, and C is received 4 ms late at every other tick."""
    run = Run()
    for at in range(120):
        for i, (vendor, price) in enumerate(zip("ABC", (100.0, 101.0, 100.01), strict=True)):
            second = at + i * 0.1
            late_s = 0.004 * (at % 2) * (vendor == "C")
            run.feed(trade(vendor, second, price, venue="X" * (vendor == "C"), recv_s=second + 0.002 + late_s))
    return run


def test_each_source_has_its_own_uptime_reliability_and_latency(run: Run) -> None:
    """By symbol and source, in the order of first sight."""
    a, b, c = learned(run.state, run.stage.config)
    assert [(x.symbol_id, x.source, x.state) for x in (a, b, c)] == [
        (SYMBOL, "A", "fresh"), (SYMBOL, "B", "fresh"), (SYMBOL, "C/X", "fresh"),
    ]  # fmt: skip
    assert c.ts_ns == T0 + round(119.2 * SECOND)
    assert a.latency_ms == b.latency_ms == pytest.approx(0.0, abs=1e-6)
    assert c.latency_ms == pytest.approx(2.0, rel=0.05)
    assert (a.cut_share, c.cut_share) == (0.0, 0.0)
    assert b.cut_share > 0.9
    assert b.reliability < 0.2
    assert a.reliability > 0.95
    for x in (a, b, c):
        assert x.trust == pytest.approx(x.uptime * x.reliability)
        assert 0.8 < x.uptime < 1.0
    # It has been compared by trades alone, and errs most: the others' median lies between the two that remain.
    assert b.error_bps[0] > a.error_bps[0] > 0.0
    assert b.error_bps[1] == 0.0


def test_prometheus_gets_the_same_of_every_open_state(run: Run) -> None:
    """A gauge for each figure, by symbol and source; a state that is given up is gone."""
    registry = CollectorRegistry()
    registry.register(SourceMetrics(run.stage.opened, run.stage.config))
    for x in learned(run.state, run.stage.config):
        for name in GAUGES:
            labels = {"symbol_id": SYMBOL, "source": x.source}
            assert registry.get_sample_value(f"mps_source_{name}", labels) == getattr(x, name)
    del run.state
    assert registry.get_sample_value("mps_source_trust", {"symbol_id": SYMBOL, "source": "A"}) is None


def test_each_vendor_has_the_rates_of_all_its_sources(run: Run) -> None:
    """Outliers over its ticks, stale or gap over its sources with an open market; Prometheus has both."""
    run.feed(*(quote("A", 120 + i, 1.38, 1.3801) for i in range(30)), heartbeat("replay", 200))
    a, b, c = rates(learned(run.state, run.stage.config))
    # The trades of A fell silent with those of the others; its quotes of EURUSD are only delayed.
    assert (a.vendor, a.stale_rate, b.stale_rate, c.stale_rate) == ("A", 0.5, 1.0, 1.0)
    assert (a.outlier_rate, c.outlier_rate) == (0.0, 0.0)
    assert b.outlier_rate == pytest.approx(1.0, abs=0.1)
    registry = CollectorRegistry()
    registry.register(SourceMetrics(run.stage.opened, run.stage.config))
    assert registry.get_sample_value("mps_vendor_outlier_rate", {"vendor": "B"}) == b.outlier_rate
    assert registry.get_sample_value("mps_vendor_stale_rate", {"vendor": "A"}) == 0.5


def test_each_of_two_twin_lines_is_known_by_when_it_was_heard_last() -> None:
    """Under its own name, though both are one source; a repeat counts, a refused tick and a lone vendor do not."""
    run = Run(vendors=[Vendor("B", "*", "venue", "A", 0.0)])
    run.feed(trade("A", 0, 100.0, seq=1), trade("B", 0.5, 100.0, seq=1), trade("C", 1, 100.0, seq=1))
    run.feed(trade("B", 2, 100.0, seq=2), trade("A", 9, -1.0, seq=3))
    expected = [Line("A", T0, 1), Line("B", T0 + 2 * SECOND, 2)]
    assert lines([run.state]) == expected
    assert [x.source for x in learned(run.state, run.stage.config)] == ["A", "C"]
    registry = CollectorRegistry()
    registry.register(SourceMetrics([run.state], run.stage.config))
    assert registry.get_sample_value("mps_line_last_seen_seconds", {"vendor": "B"}) == (T0 + 2 * SECOND) / 1e9
    assert registry.get_sample_value("mps_line_ticks_total", {"vendor": "A"}) == 1
