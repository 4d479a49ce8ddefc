"""``mps replay``."""

import json
import socket
import sys

import pytest
from click.testing import CliRunner

from cli.commands.replay import SHIPPED, replay
from cli.main import main
from processors.feeds import publish


def test_the_ticks_are_published_and_the_account_is_json(bootstrap_servers, topic_prefix, quotes, monkeypatch) -> None:
    """The ticks are published and the account is one JSON object; warnings go to stderr too."""
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", bootstrap_servers)
    path = quotes("a", [0, 1, 2, 3], symbol="USDTRY")
    command = [str(path), "--json", "--prefix", topic_prefix, "--limit", "3", "--from", "2014-05-01T12:00:01"]
    result = CliRunner().invoke(replay, command, catch_exceptions=False)
    assert result.exit_code == 0
    account = json.loads(result.stdout)
    assert (account["ticks"], account["marks"], account["records"]) == (3, 4, 7)
    assert account["symbols"] == {"USDTRY:FX": 3}
    assert (account["first_event"], account["last_event"]) == ("2014-05-01T12:00:01Z", "2014-05-01T12:00:03Z")
    assert "USDTRY:FX has no instrument" in account["warnings"][0]
    assert account["warnings"][0] in result.stderr


def test_a_person_gets_the_account_as_text(bootstrap_servers, topic_prefix, quotes, monkeypatch) -> None:
    """A person gets the account as text."""
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", bootstrap_servers)
    path = quotes("a", [0, 1, 2, 3])
    result = CliRunner().invoke(replay, [str(path), "--prefix", topic_prefix], catch_exceptions=False)
    assert "4 ticks (2014-05-01T12:00:00Z to 2014-05-01T12:00:03Z), 4 clock marks: 8 records" in result.stdout
    assert "by symbol  EURUSD:FX 4" in result.stdout


def test_ticks_older_than_what_the_topic_has_seen_are_warned_of(
    bootstrap_servers, topic_prefix, quotes, monkeypatch
) -> None:
    """Older ticks behind newer ones are warned of, with the remedy, by stderr and JSON; newer ones are not."""
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", bootstrap_servers)

    def replayed(name: str, start: str):
        path = quotes(name, [0, 1], start=start)
        return CliRunner().invoke(replay, [str(path), "--json", "--prefix", topic_prefix], catch_exceptions=False)

    for name, start in (("a", "2014-05-01T12:00"), ("b", "2014-05-01T12:06")):
        # The marks at the end of the first stand 300 s after its last tick, before the second.
        fine = replayed(name, start)
        assert json.loads(fine.stdout)["warnings"] == []
        assert fine.stderr == ""
    late = replayed("c", "2014-05-01T12:05")
    (warning,) = json.loads(late.stdout)["warnings"]
    assert "has seen 2014-05-01T12:11:01Z already, and these ticks begin at 2014-05-01T12:05:00Z" in warning
    assert "`mps down --wipe`" in warning
    assert "MPS_HOME" in warning
    assert late.stderr == f"mps: warning: {warning}\n"


def exit_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Return the exit code of `mps replay` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["mps", "replay", *arguments])
    with pytest.raises(SystemExit) as e:
        main()
    assert isinstance(e.value.code, int)
    return e.value.code


def test_a_broker_that_is_away_ends_with_1(quotes, monkeypatch, capsys) -> None:
    """A broker that is away ends with 1 and one clear line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        away = f"127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", away)
    monkeypatch.setattr(publish, "BROKER_TIMEOUT_S", 1.0)
    assert exit_of(monkeypatch, str(quotes("a", [0])), "--json") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mps: Kafka at {away} does not answer")


def test_a_wrong_file_ends_with_2(tmp_path, monkeypatch, capsys) -> None:
    """A wrong file ends with 2 and its name."""
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    path = tmp_path / "text.parquet"
    path.write_text("no ticks")
    assert exit_of(monkeypatch, str(path)) == 2
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--speed", "fast"], ["--speed", "-1"], ["--from", "yesterday"], ["--limit", "0"]])
def test_a_wrong_flag_ends_with_2(wrong: list[str], monkeypatch, capsys) -> None:
    """A wrong flag ends with 2 and says which."""
    assert exit_of(monkeypatch, *wrong) == 2
    assert wrong[0] in capsys.readouterr().err


def test_the_shipped_ticks_are_there() -> None:
    """Without a file the shipped ticks are published: they are there."""
    assert len(list(SHIPPED.glob("*.parquet"))) == 5
