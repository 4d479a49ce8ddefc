"""The file of the feedback side: right ones are read, each wrong one is refused by line."""

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cli.commands.feedback import feedback
from processors.errors import ConfigError
from processors.feedback.config import FeedbackConfig, Webhook, load_config
from processors.feedback.rules import Alert
from processors.feedback.webhooks import wanted
from tests.feedback.receiver import SECRET

GOOD = """\
alerts:
  timeframes: [1m, 1h]
  sources: false
stale_rate: {window_s: 60, threshold: 0.3, symbols_min: 5}
delivery:
  attempts_max: 5
  pause_s_first: 1
webhooks:
  - name: desk
    url: https://alerts.example.com/mps?team=1
    secret_env: DESK
    events: [on_data_stale, on_rollover]
    symbols: ["*:CME", "EURUSD:FX"]
  - name: here
    url: http://127.0.0.1:9000/hook
    secret_env: DESK
    events: [on_rollover]
"""
ENVIRONMENT = {"DESK": SECRET, "SHORT": "abc"}


def write(folder: Path, text: str) -> Path:
    path = folder / "feedback.yaml"
    path.write_text(text)
    return path


def test_a_right_file_is_read(tmp_path: Path) -> None:
    """Every value of the file arrives, and what it leaves out has its default; the secret is not shown."""
    found = load_config(write(tmp_path, GOOD), ENVIRONMENT)
    assert found.alerts.timeframes == ("1m", "1h")
    assert not found.alerts.sources
    assert (found.stale_rate.window_s, found.stale_rate.threshold, found.stale_rate.symbols_min) == (60, 0.3, 5)
    assert (found.delivery.attempts_max, found.delivery.pause_s_first, found.delivery.timeout_s) == (5, 1.0, 10.0)
    desk, here = found.webhooks
    assert desk.secret == SECRET.encode()
    assert desk.symbols == ("*:CME", "EURUSD:FX")
    assert here.symbols == ("*",)
    assert SECRET not in repr(found)
    assert "team=1" not in repr(found)
    assert load_config(write(tmp_path, ""), {}) == FeedbackConfig()


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("alerts:", "alert:", 1, "'alert': one of alerts, stale_rate, delivery, webhooks"),
        ("[1m, 1h]", "[1m, 2h]", 2, "'2h': one of 1m"),
        ("[1m, 1h]", "1m", 2, "a list"),
        ("sources: false", "sources: maybe", 3, "true or false"),
        ("threshold: 0.3", "threshold: 30", 4, "'30': a number from 0.01 to 1"),
        ("symbols_min: 5", "symbols_min: 1.5", 4, "a whole number"),
        ("symbols_min: 5", "symbols_min: .nan", 4, "a number from 1"),
        ("attempts_max: 5", "attempts_max: 5\n  attempts_max: 6", 7, "each key once"),
        ("pause_s_first: 1", "pause_s_first: -1", 7, "a number from 0"),
        ("pause_s_first: 1", "pause_s_first: 0x10", 7, "a number from 0"),
        ("name: desk", "name: 'a|b'", 9, "without |"),
        ("name: here", "name: desk", 14, "each name once"),
        ("https://alerts", "http://alerts", 10, "https://HOST"),
        ("https://alerts", "https://me:secret@alerts", 10, "without a login"),
        ("https://alerts.example.com/mps?team=1", "https://[::1", 10, "Invalid IPv6 URL"),
        ("secret_env: DESK\n    events: [on_data", "secret_env: NONE\n    events: [on_data", 11, "it is unset"),
        ("secret_env: DESK\n    events: [on_data", "secret_env: SHORT\n    events: [on_data", 11, "3 bytes long"),
        ("[on_data_stale, on_rollover]", "[on_stale]", 12, "'on_stale': one of on_data_stale, on_rollover, on_drift"),
        ("[on_data_stale, on_rollover]", "[]", 12, "a list that is not empty"),
        ("    url: http://127.0.0.1:9000/hook\n", "", 14, "url is None: is needed"),
        ("[on_rollover]", "[on_rollover", 18, "YAML"),
    ],
)
def test_a_wrong_file_is_refused_by_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    """The error names the file, the line, the value and what is allowed."""
    assert GOOD.count(old) >= 1
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as e:
        load_config(path, ENVIRONMENT)
    assert str(e.value).startswith(f"{path}:{line}: "), str(e.value)
    assert said in str(e.value)
    assert "me:secret" not in str(e.value)


KEYS = st.sampled_from(["alerts", "webhooks", "url", "delivery", "x"])
LEAVES = st.none() | st.booleans() | st.floats() | st.text(max_size=5)
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner))


@given(TREES)
def test_any_yaml_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    """No tree of values ends otherwise than in a configuration or a refusal."""
    path = write(tmp_path_factory.mktemp("any"), yaml.safe_dump(tree))
    with suppress(ConfigError):
        assert isinstance(load_config(path, {}), FeedbackConfig)


def test_check_says_what_is_in_a_file_and_refuses_a_wrong_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--check`` needs no broker."""
    monkeypatch.setenv("DESK", SECRET)
    done = CliRunner().invoke(feedback, ["--check", str(write(tmp_path, GOOD))])
    assert done.exit_code == 0
    assert "desk" in done.output
    assert SECRET not in done.output
    done = CliRunner().invoke(feedback, ["--check", str(write(tmp_path, "webhooks: 3"))])
    assert isinstance(done.exception, ConfigError)
    assert isinstance(CliRunner().invoke(feedback, ["--check", str(tmp_path / "none")]).exception, ConfigError)


def test_a_webhook_gets_what_it_asked_for() -> None:
    """Events, kinds, sources and symbols filter; a rate needs the pattern * alone."""

    def alert(kind: str, symbol: str, source: str = "consensus") -> Alert:
        return Alert("i", kind, symbol, "fx", source, "1m", 1, 1, 0.0, 0.0, "{}")

    hook = Webhook("desk", "u", b"", ("on_data_stale",), ("*:CME", "EURUSD:FX"))
    assert wanted(hook, alert("stale", "ESH14:CME"))
    assert wanted(hook, alert("recovered", "EURUSD:FX"))
    assert not wanted(hook, alert("stale", "GBPUSD:FX"))
    assert not wanted(hook, alert("stale", "EURUSD:FX", "OANDA"))
    assert not wanted(hook, alert("rollover", "ES:CME", ""))
    assert not wanted(hook, alert("stale_rate_high", "*"))
    assert not wanted(hook, alert("webhook_dead", "EURUSD:FX"))
    every = Webhook("all", "u", b"", ("on_data_stale", "on_rollover"), kinds=("stale", "rollover"))
    assert wanted(every, alert("rollover", "ES:CME", ""))
    assert not wanted(every, alert("recovered", "EURUSD:FX"))
