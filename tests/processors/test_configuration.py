"""The file that ``MPS_CONFIG`` names."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from cli.checks.work import check_configuration
from cli.commands.config import config as config_command
from cli.in_force import differences, in_force
from processors.bars.config import BarsConfig
from processors.configuration import configured
from processors.errors import ConfigError
from processors.feeds.replay import MarkRule
from processors.reconcile.config import ReconcileConfig
from processors.score.config import ScoreConfig
from processors.topology import build_stage
from serving.grpc_server import make_engine
from tests.contract.conftest import model
from tests.runtime.ticks import REPOSITORY
from tests.serving.support import config

__all__ = ["model"]

MINE = """
reconcile:
  k: 5.5
  lateness_ms: 3000
  limits: {fx: {sigma_floor_bps: 0.7}}
bars:
  allowed_lateness_ms: 250
  consensus_stale_ms: {crypto: 4000}
score:
  risk: {vol_target: 0.1, kelly_fraction: 0.2, max_nav_per_symbol: 0.03, max_adv_share: 0.01, nav: 2e6}
  costs: {fee_bps: {crypto: 4}, slippage: {model: adv_participation, bps_per_adv_share: 40}}
  guards: {stale_threshold_s: {1m: 60}}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that deploys a file."""
    path = tmp_path / "mine.yaml"
    monkeypatch.setenv("MPS_CONFIG", str(path))

    def write(text: str) -> Path:
        path.write_text(text)
        return path

    return write


def test_without_a_file_everything_is_at_its_default(monkeypatch) -> None:
    """No file, and one with nothing in it, leave every default."""
    for named in ("", None):
        monkeypatch.setenv("MPS_CONFIG", named) if named is not None else monkeypatch.delenv("MPS_CONFIG")
        assert (configured("reconcile", ReconcileConfig()), configured("bars", BarsConfig())) == (
            ReconcileConfig(), BarsConfig(),
        )  # fmt: skip
        assert ScoreConfig.from_environment() == ScoreConfig()
        assert differences() == {}


@pytest.mark.usefixtures("model")
def test_the_stages_and_the_service_decide_by_the_same_file(write) -> None:
    """Reconcile, bars, score and the ScoreService are built with what the file says, and keep the other defaults."""
    write(MINE)
    reconcile, bars, score = (build_stage(name) for name in ("reconcile", "bars", "score"))
    assert (reconcile.config.k, reconcile.config.lateness_ms, reconcile.config.idle_ms) == (5.5, 3000, 10_000)
    assert reconcile.config.limits["fx"].sigma_floor_bps == 0.7
    assert reconcile.config.limits["fx"].quote_silence_ms == ReconcileConfig().limits["fx"].quote_silence_ms
    assert reconcile.config.limits["metal"] == ReconcileConfig().limits["metal"]
    assert (bars.config.allowed_lateness_ms, bars.config.kept_bars) == (250, 3)
    assert bars.config.consensus_stale_ms == BarsConfig().consensus_stale_ms | {"crypto": 4000}
    wanted = ScoreConfig(
        0.1, 0.2, 0.03, 0.01, 2e6, ScoreConfig().fee_bps | {"crypto": 4.0}, 40.0,
        ScoreConfig().stale_threshold_s | {"1m": 60},
    )  # fmt: skip
    assert score.config == wanted == make_engine(config())._config
    # Marks of a replay close a minute once the stages allow.
    assert MarkRule.from_environment().closes_after_s == 3.25
    assert MarkRule().closes_after_s == 2.0


def test_state_made_by_other_knobs_is_not_taken_for_ones_own(write) -> None:
    """The settings that a changelog is held to are those of the file."""
    write("")
    before = {name: build_stage(name).settings for name in ("reconcile", "bars")}
    write("reconcile: {k: 4.5}\nbars: {kept_bars: 4}")
    for name, settings in before.items():
        assert build_stage(name).settings not in ("", settings)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("reconcile: {k: four}", ":1", "reconcile.k is 'four': a number from 0"),
        ("reconcile: {k: '4'}", ":1", "reconcile.k is '4': a number from 0"),
        ("reconcile: {k: .nan}", ":1", "reconcile.k is '.nan': a number from 0"),
        ("reconcile:\n  k: 0", "", "reconcile.k is 0.0: a positive number"),
        ("reconcile:\n  kay: 1", ":2", "reconcile is 'kay': one of k, lateness_ms"),
        ("reconcile: {lateness_ms: 1.5}", ":1", "reconcile.lateness_ms is '1.5': a whole number"),
        ("reconcile: {limits: {fx: {sigma_floor_bps: 0}}}", "", "limits.fx.sigma_floor_bps is 0.0: a positive number"),
        ("reconcile: {limits: {bonds: {}}}", ":1", "reconcile.limits is 'bonds': one of fx, metal"),
        ("bars: {kept_bars: 65}", "", "bars.kept_bars is 65: from 1 to 64"),
        ("score: {risk: {kelly_fraction: 1.5}}", "", "score.risk.kelly_fraction is 1.5: above 0, at most 1"),
        ("score: {risk: {vol_target: 0}}", "", "score.risk.vol_target is 0.0: a positive number"),
        ("score: {costs: {fee_bps: {fx: -1}}}", ":1", "score.costs.fee_bps.fx is '-1': a number from 0"),
        ("score: {costs: {slippage: {model: sqrt}}}", ":1", "slippage.model is 'sqrt': adv_participation"),
        ("score: {guards: {stale_threshold_s: {1m: 0}}}", "", "stale_threshold_s.1m is 0: a positive number"),
        ("score: {guards: {stale_threshold_s: {2m: 9}}}", ":1", "stale_threshold_s is '2m': one of 1m, 5m"),
        ("strategy: {}", ":1", "file is 'strategy': one of reconcile, bars, score"),
        ("reconcile: {k: 1", ":1", "mend the syntax"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_file_key_value_and_what_is_allowed(write, text, line, words) -> None:
    """Each fault names the file, with the line where it is one of form, the key, the value and what is allowed."""
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        in_force()
    assert str(caught.value).startswith(f"{path}{line}")
    assert words in str(caught.value)
    finding = check_configuration()
    assert (finding.status, str(path) in finding.found) == ("fail", True)


def test_a_file_that_is_not_there_is_refused(monkeypatch) -> None:
    """A named file that does not exist is no reason to go on with the defaults."""
    monkeypatch.setenv("MPS_CONFIG", "/nonexistent.yaml")
    for name in ("reconcile", "bars"):
        with pytest.raises(ConfigError, match=r"/nonexistent.yaml: file is .*: name a YAML file"):
            build_stage(name)


def test_what_is_in_force_is_shown_as_a_file_that_gives_it_again(write, tmp_path, monkeypatch) -> None:
    """`mps config` shows every knob, names what is not at its default, and its output is such a file itself."""
    write(MINE)
    shown = CliRunner().invoke(config_command, [], catch_exceptions=False).stdout
    assert f"# {tmp_path / 'mine.yaml'}\n" in shown
    assert "# reconcile.k: 5.5, by default 4.0\n" in shown
    assert "# score.guards.stale_threshold_s.1m: 60, by default 120\n" in shown
    assert "idle_ms: 10000" in shown
    before = in_force()
    again = tmp_path / "again.yaml"
    again.write_text(shown)
    monkeypatch.setenv("MPS_CONFIG", str(again))
    assert in_force() == before
    told = json.loads(CliRunner().invoke(config_command, ["--json"], catch_exceptions=False).stdout)
    assert (told["source"], told["configuration"]) == (str(again), before)
    assert told["differences"]["bars.allowed_lateness_ms"] == {"value": 250, "default": 0}
    assert set(told["differences"]) == set(differences())
    finding = check_configuration()
    assert finding.status == "ok"
    assert "reconcile.k 5.5 (default 4.0)" in finding.found


def test_the_page_of_operations_shows_a_file_that_is_right(write) -> None:
    """The example in docs/operations.md is read, and every key of it changes something."""
    page = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    [example] = [part for part in page.split("```yaml\n")[1:] if "reconcile:" in part]
    text = example.split("```")[0]
    write(text)
    named = yaml.safe_load(text)
    assert set(named) == {"reconcile", "bars", "score"}
    assert len(differences()) == sum(1 for _ in _leaves(named)) - 1, "the slippage model has one value only"


def _leaves(tree):
    for value in tree.values():
        if isinstance(value, dict):
            yield from _leaves(value)
        else:
            assert np.isscalar(value)
            yield value
