"""``mps models``: what is registered is listed, shown, ranked and printed, for people and as JSON."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from cli.main import cli
from offline.registry.place import Place
from offline.registry.registry import Registry
from processors.errors import ConfigError
from tests.offline.registry.made import evidence, model_file, returns
from tests.offline.registry.sample import fill


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    registry = Registry(Place.of_folder(folder / "registry"))
    fill(registry, folder)
    # Another recipe for the same target: its returns saw later rows.
    seer = replace(returns(n=756, mean=0.002, seed=99), of_paths=(3.0, 3.2, 3.1, 2.9), causal=False)
    file = model_file(folder / "trees.onnx", 0.3)
    registry.register("fx_trees", file, evidence("fx_15m", recipe_id="fx_trees", returns=seer))
    return folder


@pytest.fixture
def ask(filled, monkeypatch):
    """Return a function that calls ``mps models`` on a registry of two versions."""
    monkeypatch.setenv("MPS_HOME", str(filled))
    monkeypatch.setenv("COLUMNS", "100")

    def call(*words):
        got = CliRunner().invoke(cli, ["models", *words], catch_exceptions=False)
        assert got.exit_code == 0
        return got.output

    return call


def test_models_are_listed_and_shown(ask):
    """Versions with aliases and main numbers; all of a version, as text and as JSON."""
    text = ask("list")
    assert "fx_15m@1" in text
    assert "champion" in text
    rows = json.loads(ask("list", "fx_15m", "--json"))
    assert [(r["version"], r["aliases"]) for r in rows] == [(1, ["champion"]), (2, ["candidate"])]
    one = json.loads(ask("show", "fx_15m", "champion", "--json"))
    assert one == rows[0]
    text = ask("show", "fx_15m", "2")
    assert one["recipe_hash"] in text
    assert "x float32 (-1, 6)" in text


def test_models_are_ranked_with_what_luck_could_do(ask):
    """The score is that of the terms shown; trials stand beside versions; weights change it."""
    plain = json.loads(ask("compare", "fx_15m", "--json"))
    assert (plain["n_trials"], plain["n_failed"]) == (16, 1)
    of = plain["ranking"][0]["score"]
    n = of["numbers"]
    assert of["value"] == pytest.approx(n["sharpe"] - 0.5 * n["spread"] - 10 * n["ece"] - 0.01 * n["latency_ms"])
    dear = json.loads(ask("compare", "fx_15m", "1", "champion", "--dishonesty", "100", "--json"))
    assert len(dear["ranking"]) == 1
    assert dear["ranking"][0]["score"]["value"] < min(r["score"]["value"] for r in plain["ranking"])
    text = ask("compare", "fx_15m", "--trials")
    assert "trial l2=0.7" in text
    assert "overfitting: 0." in text


def test_versions_of_several_recipes_are_ranked_together(ask):
    """By number and alias after each name; what saw later rows stands below, without a rank, and is named."""
    got = json.loads(ask("compare", "fx_15m", "champion", "fx_trees", "--json"))
    assert [(r["label"], r["rank"], r["causal"]) for r in got["ranking"]] == [
        ("fx_15m@1", 1, True),
        ("fx_trees@1", None, False),
    ]
    assert got["ranking"][1]["score"]["numbers"]["sharpe"] == pytest.approx(3.05)
    whole = json.loads(ask("compare", "fx_trees", "fx_15m", "2", "1", "1", "--json"))
    assert sorted(r["label"] for r in whole["ranking"]) == ["fx_15m@1", "fx_15m@2", "fx_trees@1"]
    assert "not causal: fx_trees@1" in ask("compare", "fx_15m", "fx_trees")
    with pytest.raises(ConfigError, match="registered by a training: fx_15m, fx_trees"):
        ask("compare", "fx_15m", "fx_bushes")


def test_a_card_is_printed_and_written_with_its_plots(ask, tmp_path):
    """Markdown on the terminal without plots, one file with them, JSON for programs."""
    assert "## Is anybody served worse" in ask("card", "fx_15m", "candidate")
    ask("card", "fx_15m", "candidate", "--out", str(tmp_path / "card.md"))
    assert (tmp_path / "card.md").read_text().count("data:image/png;base64,") == 5
    assert json.loads(ask("card", "fx_15m", "2", "--json"))["data"]["snapshot_id"] == "gold@7"


def test_where_nothing_was_registered_it_is_said(mps_home):
    """Nothing is made by looking."""
    with pytest.raises(ConfigError, match="none was made here yet"):
        CliRunner().invoke(cli, ["models", "list"], catch_exceptions=False)
    assert not mps_home.exists()


def test_help_teaches_without_the_registry():
    """Each command says what it shows and has an example."""
    for command in ("list", "show", "compare", "card"):
        got = CliRunner().invoke(cli, ["models", command, "--help"])
        assert got.exit_code == 0
        assert "--json" in got.output
    assert "mps models show fx_15m champion" in CliRunner().invoke(cli, ["models", "--help"]).output
