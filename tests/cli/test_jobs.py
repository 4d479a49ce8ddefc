"""``mps jobs``: lists, runs, shows, signs; every error and exit code."""

import json
import os
import shlex
import subprocess
import sys

import pytest
from click.testing import CliRunner

from cli.commands.jobs import jobs
from offline.jobs.catalog import ALLOWED, JOBS
from offline.jobs.parameters import ABOUT
from offline.jobs.queue import Queue
from offline.jobs.signature import SIGNATURE, TIMESTAMP, verify
from offline.lake.store import LakeStore
from processors.errors import ConfigError
from tests.offline.lake.conftest import encode, make_records, records_of, sink_at
from tests.runtime.ticks import REPOSITORY

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of the test


@pytest.fixture
def lake(mps_home, monkeypatch):
    """Return the default lake of a home, with three commits of bars."""
    monkeypatch.delenv("MPS_LAKE", raising=False)
    store = LakeStore.at(mps_home / "lake")
    for first in range(0, 60, 20):
        sink = sink_at(store)
        sink.write([records_of("bars.v1", encode("bars.v1", make_records("bars.v1", 20, first)), first)])
        sink.finish()
    return store


def call(*arguments, code=0):
    """Return the answer of a command."""
    result = CliRunner().invoke(jobs, list(arguments), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


def test_the_list_has_every_flow_with_its_next_time():
    """For people and for programs; those without a schedule have none."""
    found = {job["flow"]: job for job in json.loads(call("list", "--json"))}
    assert list(found) == list(JOBS)
    days, recipes = found["compact"]["parameters"]["days"], found["train"]["parameters"]["recipes"]
    assert (days["kind"], days["needed"], days["default"]) == ("int", False, 30)
    assert (recipes["kind"], recipes["needed"], recipes["default"]) == ("texts", True, None)
    assert [s["cron"] for s in found["compact"]["schedules"]] == ["30 2 * * *"]
    assert found["ingest"]["schedules"] == []
    assert "30 2 * * * UTC, next" in call("list")


def test_every_parameter_is_described_on_a_line_of_its_own():
    """None without words, no words without a parameter; what is shown is aligned, and short enough to be read."""
    lines = call("list").splitlines()
    starts = set()
    for job in JOBS.values():
        assert set(ABOUT[job.name]) == set(job.parameters), f"{job.name}: offline/jobs/parameters.py has others"
        for name, shown in job.shown().items():
            assert shown["about"], f"{job.name}: {name} has no description in offline/jobs/parameters.py"
            assert len(shown["about"]) <= 90
            # The same parameter of another flow may have another default.
            line = next(at for at in lines if at.split()[:2] == [name, shown["kind"]] and shown["about"] in at)
            starts.add((line.index(name), line.index(f" {shown['kind']}"), line.index(shown["about"])))
    assert set(ABOUT) == set(JOBS)
    assert len(starts) == 1


def test_a_flow_runs_once_and_is_shown(lake):  # noqa: ARG001 - a lake
    """The second start returns the first run's result; show has its steps, by the beginning of its name too."""
    told = json.loads(call("run", "compact", "-p", "tables=bars", "-p", "days=7", "--json"))
    assert (told["status"], told["parameters"]["days"], told["parameters"]["tables"]) == ("finished", 7, ["bars"])
    assert [s["name"] for s in told["steps"]] == ["tables", "snapshots", "compact bars", "vacuum bars"]
    again = json.loads(call("run", "compact", "-p", "tables=bars", "-p", "days=7", "--json"))
    assert again["run"] != told["run"], "the table has a new version"
    assert again["result"]["compacted"]["bars"]["partitions"] == 0
    third = json.loads(call("run", "compact", "-p", "tables=bars", "-p", "days=7", "--json"))
    assert third == again
    (newest, oldest) = json.loads(call("show", "--json"))["runs"]
    assert (newest["run"], oldest["run"]) == (again["run"], told["run"])
    assert json.loads(call("show", told["run"][:-2], "--json")) == told
    assert "finished" in call("show")
    assert "vacuum bars" in call("show", told["run"])


def test_what_the_webhook_was_asked_for_is_shown_by_its_key(mps_home):
    """While it waits, and in the list."""
    mps_home.mkdir()
    Queue().add("k" * 20, "compact", {"days": 7})
    assert json.loads(call("show", "k" * 20, "--json"))["status"] == "waiting"
    assert "compact  waiting" in call("show", "k" * 20)
    assert [t["key"] for t in json.loads(call("show", "--json"))["waiting"]] == ["k" * 20]


def test_wrong_words_are_told():
    """Of a flow, a parameter, a run."""
    for words, said in ((("run", "nothing"), "one of ingest"), (("run", "compact", "-p", "days"), "KEY=VALUE"),
                        (("run", "compct"), "near it: compact"),
                        (("run", "compact", "-p", "day=1"), "it has tables"),
                        (("run", "compact", "-p", "day=1"), "near it: days"),
                        (("show", "nothing"), "mps jobs show")):  # fmt: skip
        result = CliRunner().invoke(jobs, list(words))
        assert isinstance(result.exception, ConfigError)
        assert said in str(result.exception)


def test_a_signed_request_is_what_the_webhook_takes(monkeypatch):
    """The curl command has the path, headers and body that verify; parameters are checked first."""
    monkeypatch.setenv("MPS_WEBHOOK_SECRET", SECRET)
    words = shlex.split(call("sign", "compact", "-p", "days=7", "--key", "k" * 20))
    url, body = words[words.index("POST") + 1], words[-1]
    headers = dict(words[i + 1].split(": ", 1) for i, w in enumerate(words) if w == "-H")
    path = url.removeprefix("http://127.0.0.1:8088")
    assert verify(SECRET.encode(), headers, path, body.encode(), int(headers[TIMESTAMP])) == ("compact", "k" * 20)
    told = json.loads(call("sign", "compact", "--json"))
    assert set(told["headers"]) == {TIMESTAMP, SIGNATURE}
    assert isinstance(CliRunner().invoke(jobs, ["sign", "compact", "-p", "x=1"]).exception, ConfigError)


def test_a_signed_body_has_numbers_where_the_flow_has(monkeypatch):
    """Typed as the parameters are, a list of one text too; what was not said is left to the flow."""
    monkeypatch.setenv("MPS_WEBHOOK_SECRET", SECRET)
    words = ("-p", "days=7", "-p", "closed_days=no", "-p", "tables=bars")
    result = CliRunner().invoke(jobs, ["sign", "compact", *words, "--json"])
    assert json.loads(json.loads(result.stdout)["body"]) == {"closed_days": False, "days": 7, "tables": ["bars"]}
    assert result.stderr == ""


@pytest.mark.parametrize("flow", sorted(set(JOBS) - set(ALLOWED)))
def test_a_flow_that_a_webhook_refuses_by_default_is_signed_with_a_warning(flow, monkeypatch):
    """On stderr, with the flag that allows it; the command on stdout stays one to be run."""
    monkeypatch.setenv("MPS_WEBHOOK_SECRET", SECRET)
    result = CliRunner().invoke(jobs, ["sign", flow, *(("-p", "model=fx") if flow == "promote" else ())])
    assert result.stdout.startswith("curl ")
    assert f"--allow {flow}" in result.stderr


def test_no_command_but_serve_imports_prefect(mps_home):
    """Neither help nor list nor show: it takes seconds."""
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom cli.main import cli\n"
        "for words in (['--help'], ['jobs', '--help'], ['jobs', 'list'], ['jobs', 'show']):\n"
        "    assert CliRunner().invoke(cli, words).exit_code == 0, words\n"
        "assert not any(name.partition('.')[0] == 'prefect' for name in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env={**os.environ, "MPS_HOME": str(mps_home)}, check=False
    )
    assert done.returncode == 0


def test_every_command_teaches():
    """Help names an example, or lines to copy."""
    for name in jobs.commands:
        assert f"mps jobs {name}" in CliRunner().invoke(jobs, [name, "--help"]).stdout
