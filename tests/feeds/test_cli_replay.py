"""``mps replay``."""

import json
import socket
import sys

import pytest
from click.testing import CliRunner

from cli.commands.replay import replay
from cli.main import main
from deploy.local.paths import SHIPPED_TICKS
from processors.errors import PlatformError
from processors.feeds import publish
from processors.feeds.files import Recording, open_recording


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


@pytest.fixture(name="replayed")
def _replayed(bootstrap_servers, topic_prefix, quotes, monkeypatch):
    """Return a function that replays a second of quotes into the topic."""
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", bootstrap_servers)

    def call(name: str, start: str, *words: str, seconds: tuple[int, ...] = (0, 1)):
        path = quotes(name, list(seconds), start=start)
        command = [str(path), "--json", "--prefix", topic_prefix, *words]
        return CliRunner().invoke(replay, command)

    return call


def test_ticks_older_than_what_the_topic_has_seen_are_refused(replayed, topic_prefix) -> None:
    """Where all are older nothing is published, and the remedies are told; --late publishes them with a warning."""
    for name, start in (("a", "2014-05-01T12:00"), ("b", "2014-05-01T12:06")):
        # The marks at the end of the first stand 300 s after its last tick, before the second.
        fine = replayed(name, start)
        assert json.loads(fine.stdout)["warnings"] == []
        assert fine.stderr == ""
    refused = replayed("c", "2014-05-01T12:05")
    assert type(refused.exception) is PlatformError
    assert refused.stdout == ""
    told = str(refused.exception)
    assert f"nothing is published: {topic_prefix}ticks.raw.v1 has seen 2014-05-01T12:11:01Z already" in told
    assert "the newest of these ticks is of 2014-05-01T12:05:01Z" in told
    assert all(remedy in told for remedy in ("`mps down --wipe`", "MPS_HOME", "--late"))
    late = replayed("c", "2014-05-01T12:05", "--late")
    (warning,) = json.loads(late.stdout)["warnings"]
    assert "has seen 2014-05-01T12:11:01Z already, and these ticks begin at 2014-05-01T12:05:00Z" in warning
    assert late.stderr == f"mps: warning: {warning}\n"
    # The last records are now those older ones: the greatest time is named all the same.
    assert "has seen 2014-05-01T12:11:01Z already" in str(replayed("d", "2014-05-01T12:05:30").exception)
    # What --to cuts off cannot make the rest new.
    cut = replayed("e", "2014-05-01T12:05", "--to", "2014-05-01T12:06", seconds=(0, 3600))
    assert "the newest of these ticks is of 2014-05-01T12:05:59Z" in str(cut.exception)


def test_ticks_of_which_some_are_older_are_warned_of(replayed) -> None:
    """A recording that goes on beyond what the topic has seen is published, with a warning and the remedy."""
    assert replayed("a", "2014-05-01T12:00").exit_code == 0
    part = replayed("b", "2014-05-01T12:01", seconds=(0, 3600))
    (warning,) = json.loads(part.stdout)["warnings"]
    assert "has seen 2014-05-01T12:05:01Z already, and these ticks begin at 2014-05-01T12:01:00Z" in warning
    assert "`mps down --wipe`" in warning
    assert "MPS_HOME" in warning
    assert part.stderr == f"mps: warning: {warning}\n"


def test_only_the_clocks_of_its_own_partitions_refuse_a_recording(quotes) -> None:
    """A partition that has seen less lets it pass; one that has seen as much as the allowed lateness does too."""
    recording = open_recording([quotes("a", [0])])
    newest_ns = recording.files[0].newest_event_ns
    assert publish._utc(newest_ns) == "2014-05-01T12:00:00Z"
    options = publish.ReplayOptions(partitions=4)
    later = newest_ns + publish._lateness_ns() + 1
    mine = [p for p in range(4) if _is_refused(recording, options, dict.fromkeys(range(4), later) | {p: 0}) is False]
    assert len(mine) == 1
    assert _is_refused(recording, options, {mine[0]: later})
    assert not _is_refused(recording, options, {mine[0]: later - 1})
    assert not _is_refused(recording, options, {})


def _is_refused(recording: Recording, options: publish.ReplayOptions, seen_ns: dict[int, int]) -> bool:
    try:
        publish._refuse_late("t", recording, options, seen_ns)
    except PlatformError:
        return True
    return False


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
    monkeypatch.setattr("processors.runtime.topics.CONNECT_TIMEOUT_S", 1.0)
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
    assert len(list(SHIPPED_TICKS.glob("*.parquet"))) == 5
