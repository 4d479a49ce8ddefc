"""What a command is asked for is looked at before what it needs: wrong names are named first, right ones are taken."""

from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from cli.commands.replay import replay
from cli.commands.run import run
from cli.commands.train import train
from deploy.demo.run import Demo, Options
from deploy.local.paths import SHIPPED_TICKS
from processors.errors import ConfigError, PlatformError


@pytest.fixture
def nothing_runs(mps_home, monkeypatch):
    """Leave no address of any part."""
    for name in ("MPS_BOOTSTRAP_SERVERS", "MPS_REDIS_URL", "MPS_REGISTRY_URL"):
        monkeypatch.delenv(name, raising=False)
    return mps_home


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        (replay, ["/nonexistent"], "/nonexistent: file is 'missing'"),
        (run, ["nosuch"], "stage is 'nosuch': one of reconcile, bars"),
        (run, ["reconcile", "regime"], "stages is 'reconcile regime': neighbours of the chain"),
        (run, ["bars", "cross"], "stage is 'cross': alone, as it is a branch"),
        (train, ["/nonexistent"], "/nonexistent: file is 'missing'"),
    ],
)
def test_a_wrong_name_is_named_before_a_broker_that_is_away(command, arguments, words):
    """A file or stage that does not exist is said at once, though nothing runs either."""
    with pytest.raises(ConfigError, match=words):
        CliRunner().invoke(command, arguments, catch_exceptions=False)


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(("command", "arguments"), [(replay, []), (run, ["reconcile"])])
def test_a_right_name_needs_a_broker(command, arguments):
    """With nothing wrong in what is asked for, the missing platform is the error."""
    with pytest.raises(ConfigError, match="nothing runs here yet"):
        CliRunner().invoke(command, arguments, catch_exceptions=False)


@pytest.mark.parametrize("given", [[], ["folder"]])
def test_training_takes_folders_as_replay_does(given, tmp_path, monkeypatch):
    """A folder stands for the files in it, and nothing for the shipped ones."""
    folder = tmp_path / "ticks"
    folder.mkdir()
    for name in ("b.parquet", "a.csv"):
        (folder / name).write_text("x")
    taken = []

    def record(files, _progress):
        taken.extend(files)
        raise ConfigError("training", "gold rows", 0, "enough seen")

    monkeypatch.setattr("offline.dataset.record_gold", record)
    with pytest.raises(ConfigError, match="enough seen"):
        CliRunner().invoke(train, [str(folder) for _ in given], catch_exceptions=False)
    assert taken == ([folder / "a.csv", folder / "b.parquet"] if given else sorted(SHIPPED_TICKS.glob("*.parquet")))


def test_the_demo_trains_on_the_ticks_that_it_publishes(tmp_path, monkeypatch):
    """A first run trains on the given files, and says where that fails; a model that is there is named."""
    monkeypatch.setenv("MPS_MODEL", str(tmp_path / "mine.onnx"))
    told: list[str] = []
    started: list[list[str]] = []
    failing = False

    def wait(*_arguments, **_more):
        if failing:
            raise PlatformError("train ended with 2: too few rows")

    demo = Demo(Options((tmp_path / "my.parquet", tmp_path / "more")), told.append)
    supervisor = SimpleNamespace(start=lambda _name, words, **_: started.append(words), wait=wait)
    demo._stack = SimpleNamespace(supervisor=supervisor)
    demo._train()
    assert started[0][2:] == ["cli.main", "train", str(tmp_path / "my.parquet"), str(tmp_path / "more"), "--json"]
    failing = True
    with pytest.raises(PlatformError, match=r"too few rows\nNo model can be made of these ticks.*`mps train`"):
        demo._train()
    (tmp_path / "mine.onnx").write_bytes(b"x")
    started.clear()
    demo._train()
    assert not started
    assert told[-1] == f"scoring with the model that is there, {tmp_path / 'mine.onnx'}"
