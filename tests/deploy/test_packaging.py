"""What is installed is what is locked, from no address of ours, on every Python that we name."""

import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ["requirements.lock", "deploy/images/requirements.lock"]


def locked(path: str) -> dict[str, str]:
    """Return package -> version of a lock."""
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    pins = [re.match(r"([A-Za-z0-9._-]+)==([^ ;\\]+)", line) for line in lines]
    return {canonicalize_name(pin.group(1)): pin.group(2) for pin in pins if pin}


def make(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", LOCKS)
def test_a_lock_names_no_address_and_hashes_everything(path):
    """A lock works with any index: it has no address, and a sha256 for every package."""
    text = (ROOT / path).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(locked(path)) > 30
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_lock_satisfies_the_project_file():
    """Every dependency of the project file, build back end included, is locked at a version that it allows."""
    pins = locked("requirements.lock")
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [
        *PROJECT["build-system"]["requires"],
        *PROJECT["project"]["dependencies"],
        *chain.from_iterable(extras.values()),
    ]
    for text in wanted:
        requirement = Requirement(text)
        if requirement.name != PROJECT["project"]["name"]:
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), text


def test_the_image_has_the_versions_that_were_tested():
    """The image's lock is a part of the lock that the tests ran with, version for version."""
    assert locked(LOCKS[1]).items() <= locked(LOCKS[0]).items()


def test_every_dependency_has_its_reason():
    """Each dependency and each lint exception stands on a line with a comment that says why."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    entries = re.findall(r'^    "[^"]+",.*$', text.partition("[project.scripts]")[0], re.MULTILINE)
    ignores = re.search(r"^ignore = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert ignores is not None
    lines = [*entries, *ignores.group(1).splitlines()]
    assert len(lines) > 40
    assert [line for line in lines if not re.search(r"# \w", line)] == []


def test_every_verb_is_explained():
    """`make help` lists the verbs that a person needs, each with a sentence."""
    shown = dict(re.findall(r"^  make ([a-z-]+) +(\S.+)$", make("help").stdout, re.MULTILINE))
    assert set(shown) >= {"setup", "demo", "test", "lint", "type", "bench", "bench-smoke", "up", "down", "check"}


def test_a_python_that_is_absent_is_refused_with_the_remedy(tmp_path):
    """A wrong PYTHON ends with one clear line, and touches no environment."""
    absent = make("setup", "PYTHON=/nowhere/python", f"VENV={tmp_path}/venv", f"STAMP={tmp_path}/stamp")
    assert absent.returncode != 0
    assert "PYTHON=/nowhere/python cannot be run" in absent.stderr
    none = make("setup", "PYTHON=", f"VENV={tmp_path}/venv", f"STAMP={tmp_path}/stamp")
    assert "no Python of 3.11 to 3.13" in none.stderr
    assert not (tmp_path / "venv").exists()


def test_continuous_integration_runs_what_a_developer_runs():
    """.ci/run calls `make test` and is executable."""
    script = ROOT / ".ci" / "run"
    assert script.read_text(encoding="utf-8").rstrip().endswith("exec make test")
    assert script.stat().st_mode & 0o111
