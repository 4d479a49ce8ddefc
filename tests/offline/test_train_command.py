"""``mps train`` on real recorded ticks."""

import json

import pytest
from click.testing import CliRunner

from cli.commands import train as command
from cli.commands.train import train
from processors.errors import ConfigError
from processors.score import stage

EURUSD = command.RECORDINGS / "eurusd_ticks_two_vendors.parquet"


def test_recorded_ticks_become_a_model_that_the_stage_starts_with(tmp_path, monkeypatch):
    """Recorded ticks become a model that fits the served pack, judged on later rows, until the time that is named."""
    path = tmp_path / "m.onnx"
    asked = [str(EURUSD), "--out", str(path), "--until", "2014-05-06T00:00", "--json"]
    result = CliRunner().invoke(train, asked, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["trained_until"][:16] <= "2014-05-06T00:00"
    assert report["out_of_sample"][0]["n"] > 1000
    assert report["timeframes"][0] == "1m"
    monkeypatch.setenv("MPS_MODEL", str(path))
    started = stage.build()
    assert started.model.sha256 == report["sha256"]


def test_wrong_usage_says_what_is_allowed(monkeypatch, tmp_path):
    """A time that is none, and no recordings at all, are named with the remedy."""
    with pytest.raises(ConfigError, match="ISO time"):
        CliRunner().invoke(train, [str(EURUSD), "--until", "soon"], catch_exceptions=False)
    monkeypatch.setattr(command, "RECORDINGS", tmp_path)
    with pytest.raises(ConfigError, match="name recorded ticks"):
        CliRunner().invoke(train, [], catch_exceptions=False)
