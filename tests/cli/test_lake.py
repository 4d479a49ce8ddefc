"""``mps lake`` on a lake that is there: every command, for people and for programs."""

import json

import pytest
from click.testing import CliRunner

from cli.commands.lake import lake
from cli.main import COMMANDS
from offline.lake.reading import open_at, read
from offline.lake.store import LakeStore
from processors.errors import ConfigError
from tests.offline.lake.conftest import encode, make_records, records_of, sink_at


@pytest.fixture
def place(mps_home, monkeypatch):
    """Return the default lake of a home, with three commits of bars."""
    monkeypatch.delenv("MPS_LAKE", raising=False)
    store = LakeStore.at(mps_home / "lake")
    for first in range(0, 60, 20):
        sink = sink_at(store)
        sink.write([records_of("bars.v1", encode("bars.v1", make_records("bars.v1", 20, first)), first)])
        sink.finish()
    return store


def call(*arguments):
    """Return the answer of a command."""
    result = CliRunner().invoke(lake, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(text):
    """Return the objects of an answer in JSON."""
    return [json.loads(line) for line in text.splitlines()]


def test_show_tells_what_is_there(place):
    """Rows, days, positions and the id that a training set names; a table for people has the same id."""
    (bars,) = (r for r in rows(call("show", "--json")) if r["table"] == "bars")
    assert (bars["rows"], bars["version"]) == (60, 3)
    assert bars["positions"] == {"bars.v1": {"0": 32, "1": 32}}
    assert read(place, "bars", at=bars["snapshot_id"]).num_rows == 60
    assert bars["snapshot_id"] in call("show", "bars")


def test_compact_and_history_and_vacuum(place):
    """Compaction joins files once, the history names it, and vacuum only counts unless it is told to remove."""
    (first,) = rows(call("compact", "bars", "--json"))
    assert first["files_before"] > first["files_after"] > 0
    assert rows(call("compact", "bars", "--json"))[0]["partitions"] == 0
    newest, *_, made = rows(call("history", "bars", "--json"))
    assert newest["operation"] == "OPTIMIZE"
    assert made["version"] == 0
    assert "OPTIMIZE" in call("history", "bars", "-n", "1")
    assert rows(call("vacuum", "bars", "--days", "1", "--json")) == [{"table": "bars", "removed": False, "files": []}]
    assert "would go" in call("vacuum")
    snapshot = str(open_at(place, "bars").snapshot_id)
    assert CliRunner().invoke(lake, ["vacuum", "gold", "--keep", snapshot]).exit_code == 2


def test_an_empty_place_is_said(tmp_path, mps_home):  # noqa: ARG001 - not the user's own
    """Where there is no lake, the message says how to fill one."""
    result = CliRunner().invoke(lake, ["show", "--lake", str(tmp_path)])
    assert isinstance(result.exception, ConfigError)
    assert "fill it with `mps lake sync`" in str(result.exception)


def test_every_command_teaches():
    """Help names an example, or lines to copy, and --json is everywhere."""
    assert "lake" in COMMANDS
    for name, command in lake.commands.items():
        text = CliRunner().invoke(lake, [name, "--help"]).stdout
        assert f"mps lake {name}" in text
        assert "--json" in text
        assert command.help
