"""A network for each cluster: better where there is something to learn, judged beside its base, with its lineage."""

import io
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from cli.commands.train import train
from cli.recipes import Order, train_recipes
from offline.datasets.sources import GoldRows
from offline.datasets.training_set import MARKET
from offline.models.deep.clusters import Clusters, read_clusters
from offline.recipes.recipe import ValidationSpec
from offline.registry.evidence import ROW_ARRAYS
from offline.registry.place import Place
from offline.registry.registry import Registry
from offline.training.adaptive import Adaptive
from offline.training.beside import beside_base, clusters_table, limits_of
from offline.training.by_cluster import check_known, check_refinable, refine
from offline.training.run import run
from offline.training.walk import FoldResult, Walked
from processors.errors import ConfigError
from processors.score.model import Model
from tests.offline.training.made import EXAMPLES, made, recipe_of
from tests.score.gold_rows import make_gold

N = 2_400
FEW = 300
NETWORK = {
    "window_bars": 2, "width": 8, "channels": 3, "stacks": ["generic"], "layers": 1, "theta": 4, "dropout": 0.0,
    "epochs_max": 10, "batch_rows": 128, "learning_rate": 0.05,
}  # fmt: skip
"""Small, since each fit is compiled."""
METALS = Clusters(("metals",), {"metal": 0}, {})


def quiet(_step, _share):
    """Say nothing."""


def opposed():
    """Return rows of two clusters that follow one input in opposite directions, and a few of a third at the end."""
    data = made(N, signal=0.9)
    data.x[data.symbol == 1] *= -1.0
    few = made(N, signal=0.0, seed=5).of_symbols({"EURUSD:FX"})
    late = few.ts_ns >= few.ts_ns[-FEW]
    rows = {n: np.concatenate([getattr(few, n)[late], getattr(data, n)]) for n in ("x", "regime", *MARKET)}
    ts, symbol = np.concatenate([few.ts_ns[late], data.ts_ns]), np.r_[np.zeros(FEW, np.int64), data.symbol + 1]
    move = np.empty(len(ts))
    move[:FEW] = few.move[-FEW:]
    move[FEW + data.at] = data.move
    at = np.lexsort((symbol, ts))
    end = ts[at] + (data.end_ns[0] - data.ts_ns[data.at[0]])
    return replace(
        data, **rows, ts_ns=ts, symbol=symbol, symbols=("BTC-USD:CRYPTO", "EURUSD:FX", "XAUUSD:CFD"), at=at,
        end_ns=end, exit_ns=end.copy(), move=move[at], end_move=move[at],
        up=(move[at] > 0).astype(float), target=move[at],
    ).stamped()  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Train a base and refine it for the shipped clusters; return recipe, base, what came of it, registry, folder."""
    folder = tmp_path_factory.mktemp("tuned")
    recipe, registry = recipe_of("nbeats", folds=2, **NETWORK), Registry(Place.of_folder(folder / "registry"))
    base = run(
        recipe, opposed(), {}, folder / "base.onnx", folder / "work", registry=registry, experiment="made",
        progress=quiet, keep_basis=True,
    )  # fmt: skip
    found = refine(recipe, base, read_clusters(), registry=registry, experiment="made", progress=quiet)
    return recipe, base, found, registry, folder


def test_each_cluster_learns_what_the_base_cannot_know(done):
    """The base, which knows no symbol, is at chance; each refined network is better on the very same rows."""
    _, base, found, _, _ = done
    assert set(found.tuned) == {"currencies", "metals"}
    for name, outcome in found.tuned.items():
        both, report = outcome.report["beside_base"], outcome.report
        assert both["base"]["n"] == both["tuned"]["n"] == report["judged"] > 0.59 * N
        assert both["tuned"]["log_loss"] < both["base"]["log_loss"] - 0.02
        assert both["verdict"] == "better"
        assert "it is better than its base" in report["limits"][-1]
        assert report["out_of_sample"] == both["tuned"]
        assert outcome.path.name == f"base-{name}.onnx"
        assert Model(outcome.path.read_bytes(), name).card.trained_until_ns == base.basis.data.end_ns.max()


def test_nothing_that_judges_was_seen(done):
    """The training of every fold, the base's too, ends before its test rows begin."""
    _, _, found, registry, _ = done
    for outcome in found.tuned.values():
        for fold in registry.evidence(outcome.version).folds:
            assert fold.train_until_ns <= fold.test_from_ns


def test_versions_say_what_they_began_with(done):
    """Base and refined models are registered, each under its name; lineage is among the facts and on the card."""
    recipe, base, found, registry, _ = done
    assert base.version.label == f"{recipe.recipe_id}@1"
    for name, outcome in found.tuned.items():
        version = registry.find(f"{recipe.recipe_id}-{name}", "candidate")
        assert version.sha256 == outcome.report["sha256"] != base.report["sha256"]
        assert version.facts["lineage"] == registry.evidence(version).lineage == {
            "base": recipe.recipe_id, "base_version": base.version.label, "base_sha256": base.report["sha256"],
            "cluster": name,
        }  # fmt: skip
        assert base.report["sha256"] in registry.file(version, "card.md").decode()
        assert len(registry.trials(f"made-{name}")) == 1
    assert "lineage" not in base.version.facts
    assert registry.find(f"{recipe.recipe_id}-metals", "candidate").facts["universe"] == ["XAUUSD:CFD"]


def test_clusters_with_too_few_samples_are_named_with_their_number(done):
    """A cluster whose rows begin late has none to fit, and is left to the base."""
    _, _, found, _, _ = done
    (few,) = found.too_few
    assert (few.cluster, few.samples) == ("crypto", {"fit": 0, "stop": 0, "calibrate": FEW - 1})
    assert "0 to fit, 0 to stop, 299 to calibrate" in found.served_by_base()[0]
    assert found.as_json()["too_few"][0]["symbols"] == ("BTC-USD:CRYPTO",)


def test_a_run_that_was_broken_off_goes_on_and_does_not_see_the_future(done, tmp_path):
    """A fold broken off in its midst ends in the same numbers, also where later labels are others; so does the file."""
    recipe, base, found, _, _ = done
    folder = tmp_path / "work"
    shutil.copytree(base.basis.folder, folder)
    (result,) = folder.glob("metals-*/fold-0001.npz")
    whole = FoldResult.read(result)
    result.unlink()
    data = base.basis.data
    later = data.ts_ns[data.at] >= whole.sheet.test_from_ns
    move = np.where(later, -data.move, data.move)
    changed = replace(data, move=move, end_move=move, up=np.where(later, 1.0 - data.up, data.up))

    def again(data, until):
        def progress(step, _share):
            if until in step:
                raise InterruptedError(step)

        begun = replace(base, path=tmp_path / "base.onnx", basis=replace(base.basis, data=data, folder=folder))
        return refine(recipe, begun, METALS, registry=None, progress=progress)

    for until in ("metals: nbeats: pass 3", "last fit"):
        with pytest.raises(InterruptedError):
            again(changed, until)
        assert result.exists() == (until == "last fit")
    resumed = FoldResult.read(result)
    for name in ("sample", "probability", "low", "high", "importance"):
        assert getattr(resumed, name).tobytes() == getattr(whole, name).tobytes(), name
    last = again(data, "never")
    assert last.tuned["metals"].path.read_bytes() == found.tuned["metals"].path.read_bytes()
    assert last.no_cluster == ("BTC-USD:CRYPTO", "EURUSD:FX")
    assert not list(folder.rglob("*.fit"))


def walked(rows, sample) -> Walked:
    """Return a walk of some rows."""
    none = np.zeros(0)
    return Walked((), rows, sample, Adaptive(none, none, none > 0, 0.0, 0.0, 0.0, 0.0))


def test_the_verdict_is_that_of_the_numbers(done):
    """Exchanged, the two give the opposite verdict; a model beside itself gains nothing, and few rows tell nothing."""
    _, base, _, _, _ = done
    rows, sample = base.basis.walked.rows, base.basis.walked.sample
    right = replace(rows, probability=np.where(rows.up > 0.5, 0.7, 0.3))
    for before, after, verdict in (
        (rows, right, "better"), (right, rows, "worse"), (rows, rows, "no_difference"),
    ):  # fmt: skip
        both = beside_base(walked(before, sample), sample, after)
        assert both["verdict"] == verdict
        assert both["gain"]["value"] == pytest.approx(both["base"]["log_loss"] - both["tuned"]["log_loss"])
    few = replace(right, **{name: getattr(right, name)[:50] for name in ROW_ARRAYS})
    both = beside_base(walked(rows, sample), sample[:50], few)
    assert (both["verdict"], both["tuned"]["n"]) == ("too_few", 50)
    assert "too few independent rows" in limits_of("metals", "base@1", both)[1]


def test_the_table_fits_80_columns(done):
    """No figure and no heading is cut in a terminal of 80 columns, with a million rows."""
    _, _, found, _, _ = done
    report = {**found.tuned["metals"].report, "samples": 12_345_678}
    both = {**report["beside_base"], "tuned": {**report["beside_base"]["tuned"], "n": 1_234_567}}
    console = Console(file=io.StringIO(), width=80)
    console.print(clusters_table([{**report, "beside_base": both, "lineage": {"cluster": "commodities"}}]))
    _, heads, figures = console.file.getvalue().splitlines()
    assert heads.split() == ["cluster", "samples", "rows", "base", "tuned", "gain", "ECE", "cover"]
    assert figures.split()[:3] == ["commodities", "12,345,678", "1,234,567"]
    assert "…" not in figures


def test_what_cannot_be_refined_is_refused_before_anything_is_trained(tmp_path):
    """Kinds that are no networks, folds that train on later rows, and files of clusters that are none, by name."""
    with pytest.raises(ConfigError, match=r"fx_lgbm.yaml:\d+: kind is 'lgbm': tft or nbeats"):
        CliRunner().invoke(train, [str(EXAMPLES / "fx_lgbm.yaml"), "--fine-tune"], catch_exceptions=False)
    network = str(EXAMPLES / "fx_nbeats.yaml")
    for words, says in (
        ((network, "--clusters", "x.yaml"), "beside --fine-tune only"),
        ((network, "--fine-tune", "--clusters", str(tmp_path / "none.yaml")), "No such file"),
        (("--fine-tune",), "the baseline"),
    ):
        with pytest.raises(ConfigError, match=says):
            CliRunner().invoke(train, list(words), catch_exceptions=False)
    folded = replace(recipe_of("nbeats"), validation=ValidationSpec("kfold", 3))
    with pytest.raises(ConfigError, match="scheme is 'kfold': walk_forward or nested"):
        check_refinable(folded, METALS)
    with pytest.raises(ConfigError, match="letters, digits"):
        check_refinable(recipe_of("nbeats"), Clusters(("hard and soft",), {}, {}))


def test_rows_of_no_instrument_are_refused_before_anything_is_trained(tmp_path, monkeypatch):
    """As soon as they are read, by name; rows after the end of the training are none of it."""

    class Source:
        def rows(self, _wanted, _progress):
            return GoldRows(make_gold(300, symbol="NOSUCH:FX", skill=0.0), None, "made up")

    def trained(*_given, **_more):
        raise AssertionError("trained before it was refused")

    file = tmp_path / "any.yaml"
    file.write_text((EXAMPLES / "fx_nbeats.yaml").read_text().replace('    symbols: ["EURUSD:FX", "NZDUSD:FX"]\n', ""))
    monkeypatch.setattr("offline.training.run.run", trained)
    with pytest.raises(ConfigError, match="symbol_id is 'NOSUCH:FX': an instrument"):
        train_recipes((file,), Source(), Order(None, None, None, False, METALS, None), as_json=True)
    data = made(50)
    late = replace(
        data, symbols=("EURUSD:FX", "NOSUCH:FX"), ts_ns=np.where(data.symbol == 1, data.ts_ns.max() + 1, data.ts_ns)
    )
    check_known(late, int(data.ts_ns.max()), METALS)
    with pytest.raises(ConfigError, match="NOSUCH:FX"):
        check_known(late, None, METALS)
