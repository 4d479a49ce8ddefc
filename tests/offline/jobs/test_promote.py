"""Which version gets the alias, and the name of the rule that refuses the others."""

import hashlib
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from cli.commands.jobs import jobs
from offline.jobs.catalog import JOBS
from offline.jobs.flows.promote import OUTPUTS
from offline.jobs.queue import Queue, Worker
from offline.jobs.run import execute, find
from offline.registry.registry import Registry
from offline.selection.trials import UNSTATED
from processors.errors import ConfigError
from tests.offline.registry.made import DAY, evidence, model_file, out_of_sample, returns

LOOSE = {"model": "fx", "ece_max": 0.5, "coverage_off_max": 0.5}


@pytest.fixture
def register(mps_home, tmp_path):
    """Return a function that registers a version with a mean daily return."""
    mps_home.mkdir()
    registry = Registry()
    weights = iter(range(1, 100))

    def run(mean, seed=3, report=None, experiment="fx", **changes):
        file = model_file(tmp_path / "m.onnx", 0.1 * next(weights))
        proof = {"parity": dict.fromkeys(OUTPUTS, 1e-7), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        changes = {"returns": returns(mean=mean, seed=seed), **changes}
        of = evidence(experiment, report={**proof, **(report or {})}, **changes)
        with registry.trial(experiment, f"{mean}", {"mean": mean}) as done:
            done(of.returns, ece=0.01, latency_ms=0.01)
        return registry.register("fx", file, of).version

    return run


def promote(**parameters):
    """Run the flow, and return its result."""
    return execute(JOBS["promote"], parameters).result


def rules(found, version):
    """Return the names of the rules that a version broke."""
    return [said.partition(":")[0] for said in found["refused"].get(f"fx@{version}", [])]


def test_the_best_that_passes_gets_the_alias(register):
    """The better of two; a worse one that comes later is refused against what is in force; a better one replaces it."""
    register(0.0004), register(0.0008)
    found = promote(**LOOSE)
    assert (found["promoted"], rules(found, 1)) == ("fx@2", ["not_the_best"])
    register(0.0001)
    found = promote(**LOOSE)
    assert (found["promoted"], rules(found, 3)) == ("fx@2", ["worse_than_in_force"])
    register(0.002)
    assert promote(**LOOSE)["promoted"] == "fx@4"
    assert Registry().find("fx", "champion").version == 4


def test_each_rule_refuses_by_its_name(register):
    """A file without proof of its gate, one with the proof of another, and one past either limit: nothing is named."""
    register(0.001, report={"parity": {"logit": 0.0}})
    register(0.001, report={"sha256": "e" * 64}, seed=4)
    found = promote(**LOOSE)
    assert found["ok"] is False
    assert rules(found, 1) == rules(found, 2) == ["gate"]
    register(0.001, seed=5, rows=out_of_sample(skill=3.0))
    found = promote(model="fx", ece_max=1e-6, coverage_off_max=1e-6)
    assert rules(found, 3) == ["ece", "coverage"]
    with pytest.raises(ConfigError, match="champion"):
        Registry().find("fx", "champion")


def test_versions_of_another_experiment_are_no_rivals(register):
    """Edited under the same name, a model earns another quantity: the old champion is refused, and is no bar."""
    register(0.002)
    assert promote(**LOOSE)["promoted"] == "fx@1"
    register(0.0006, experiment="1h")
    register(0.0004, experiment="1h", seed=4)
    found = promote(**LOOSE)
    assert (found["promoted"], found["was_in_force"]) == ("fx@2", "fx@1")
    assert found["refused"]["fx@1"] == ["other_experiment: it is of fx, fx@3 of 1h"]
    assert set(found["scores"]) == {"fx@2", "fx@3"}


def test_a_version_that_saw_later_rows_is_neither_promoted_nor_a_bar(register):
    """Its score is better than any that could have been earned: refused, though it has the alias already."""
    register(0.004, returns=replace(returns(mean=0.004, seed=3), causal=False))
    assert rules(promote(**LOOSE), 1) == ["not_causal"]
    Registry().set_alias("fx", "champion", "1")
    register(0.0006)
    found = promote(**LOOSE)
    assert (found["promoted"], rules(found, 1)) == ("fx@2", ["not_causal"])
    assert found["scores"]["fx@1"] > found["scores"]["fx@2"]


def test_returns_of_an_older_version_and_of_other_periods_are_not_ranked(register):
    """Booked whole, they have no score and are no bar; by the hour beside others by the day, none has."""
    register(0.004, returns=replace(returns(mean=0.004, seed=3), period_ns=UNSTATED))
    Registry().set_alias("fx", "champion", "1")
    register(0.0006)
    found = promote(**LOOSE)
    assert (found["promoted"], rules(found, 1)) == ("fx@2", ["no_score"])
    assert "not marked to market: train again" in found["refused"]["fx@1"][0]
    register(0.004, returns=replace(returns(mean=0.004, seed=3), period_ns=DAY // 24))
    found = promote(**LOOSE)
    assert (found["promoted"], rules(found, 2), rules(found, 3)) == (None, ["no_score"], ["no_score"])


def test_a_promotion_that_was_undone_is_done_again(register, tmp_path, monkeypatch):
    """An alias that was set back, and a file that was overwritten: the finished runs are no answer, whatever they say.

    One whose effect still holds is.
    """
    monkeypatch.setenv("MPS_MODEL", str(tmp_path / "deployed.onnx"))
    register(0.0004), register(0.0008)
    asked = {**LOOSE, "deploy": True}
    promote(**asked)
    file = (tmp_path / "deployed.onnx").read_bytes()
    steady = execute(JOBS["promote"], asked)
    assert execute(JOBS["promote"], asked).run == steady.run
    registry = Registry()
    registry._client.delete_registered_model_alias("fx", "champion")
    (tmp_path / "deployed.onnx").unlink()
    promote(**asked)
    assert registry.find("fx", "champion").version == 2
    (tmp_path / "deployed.onnx").write_bytes(b"another")
    promote(**asked)
    assert (tmp_path / "deployed.onnx").read_bytes() == file


def test_a_refusal_is_shown_as_one_and_judged_again_once_there_is_more(register):
    """Status and rules for people and programs; the same versions come to the same run, a new one to another."""
    register(0.001, report={"sha256": "e" * 64})
    first = execute(JOBS["promote"], LOOSE)
    shown = CliRunner().invoke(jobs, ["show", first.run])
    assert f"{first.run}  refused  began" in shown.stdout
    assert "  fx@1 refused by gate: its evidence is of the file eeee" in shown.stdout
    assert "refused" in CliRunner().invoke(jobs, ["show"]).stdout
    asked = ["run", "promote", *(w for k, v in LOOSE.items() for w in ("-p", f"{k}={v}")), "--json"]
    again = CliRunner().invoke(jobs, asked)
    told = json.loads(again.stdout)
    assert (again.exit_code, told["status"], told["run"], told["attempts"]) == (1, "refused", first.run, 1)
    assert [r["status"] for r in json.loads(CliRunner().invoke(jobs, ["show", "--json"]).stdout)["runs"]] == ["refused"]
    register(0.001)
    other = execute(JOBS["promote"], LOOSE)
    assert other.run != first.run
    assert other.as_json()["status"] == "finished"


def test_a_refusal_is_no_failure_of_a_request_from_outside(register):
    """The ticket of the webhook says so, and names the run."""
    register(0.001, report={"sha256": "e" * 64})
    queue = Queue()
    ticket, _ = queue.add("k" * 20, "promote", LOOSE)
    Worker(queue, lambda _: None)._ticket(ticket)
    (done,) = queue.tickets()
    assert (done.status, done.error) == ("refused", None)
    assert find(done.run).is_refused


def test_a_model_that_is_not_there_is_said(register):
    """With what lists those that are."""
    register(0.001)
    with pytest.raises(ConfigError, match="mps models list"):
        promote(model="other")
