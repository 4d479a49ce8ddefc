"""``mps train`` on real recorded ticks."""

import io
import json

import pytest
from click.testing import CliRunner
from rich.console import Console

from cli.commands import train as command
from cli.commands.train import train
from processors.errors import ConfigError
from processors.score import stage

EURUSD = command.SHIPPED_TICKS / "eurusd_ticks_two_vendors.parquet"


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
    with pytest.raises(ConfigError, match="ISO 8601"):
        CliRunner().invoke(train, [str(EURUSD), "--until", "soon"], catch_exceptions=False)
    monkeypatch.setattr(command, "SHIPPED_TICKS", tmp_path)
    with pytest.raises(ConfigError, match="give a Parquet file of recorded ticks"):
        CliRunner().invoke(train, [], catch_exceptions=False)


def test_the_table_fits_80_columns():
    """No figure and no heading is cut or wrapped in a terminal of 80 columns, with a million rows."""
    row = {
        "timeframe": "15m", "n": 1_234_567, "n_independent": 123_456, "up_share": 0.498, "auc": 0.527,
        "auc_standard_error": 0.018, "log_loss": 0.6921, "log_loss_base_rate": 0.6931, "ece": 0.012,
        "interval_coverage": 0.903,
    }  # fmt: skip
    console = Console(file=io.StringIO(), width=80)
    console.print(command._table({"out_of_sample": [row]}))
    _, heads, figures = console.file.getvalue().splitlines()
    assert heads.split() == ["tf", "rows", "indep.", "up", "AUC", "±", "se", "log", "loss", "base", "ECE", "cover"]
    assert " ".join(figures.split()) == "15m 1,234,567 123,456 0.498 0.53 ± 0.02 0.6921 0.6931 0.012 0.903"
