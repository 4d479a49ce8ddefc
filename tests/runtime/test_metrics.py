"""Metrics of a driver as Prometheus reads them."""

import urllib.request

import pytest

from deploy.local.ports import ANY, choose
from processors.errors import ConfigError
from processors.runtime.metrics import COUNTERS, GAUGES, TIMERS, Metrics


def test_every_declared_metric_is_served():
    """What the table declares is at /metrics with its group, and counts what was counted."""
    metrics = Metrics("reconcile")
    metrics.count("records_in", 7)
    metrics.count("records_out", 5, "bars.v1")
    metrics.show("partitions_assigned", 3)
    metrics.took("commit_seconds", 0.03)
    port = choose("metrics", preferred=ANY)
    metrics.serve(port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    assert 'mps_records_in_total{group="reconcile"} 7.0' in text
    assert 'mps_records_out_total{group="reconcile",topic="bars.v1"} 5.0' in text
    assert 'mps_partitions_assigned{group="reconcile"} 3.0' in text
    assert 'mps_commit_seconds_bucket{group="reconcile",le="0.05"} 1.0' in text
    for name in (*COUNTERS, *GAUGES, *TIMERS):
        assert f"# TYPE mps_{name}" in text


def test_a_port_in_use_is_refused():
    """Metrics on the port of another process end in an error that names the port."""
    port = choose("metrics", preferred=ANY)
    Metrics("bars").serve(port)
    with pytest.raises(ConfigError, match=f"metrics: port is {port}: one that is free on 127.0.0.1"):
        Metrics("reconcile").serve(port)
