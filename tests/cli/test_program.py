"""Commands that are printed work as printed."""

import io
import subprocess
import sys

from rich.console import Console

from cli.commands import demo
from cli.program import program


def test_the_name_works_with_and_without_an_active_environment(monkeypatch, tmp_path):
    """``mps`` where the shell finds it, else the script's path, from inside and outside the checkout; each runs."""
    checkout = tmp_path / "a checkout"
    scripts = checkout / ".venv" / "bin"
    scripts.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (scripts / "mps").write_text("#!/bin/sh\necho it ran")
    (scripts / "mps").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(scripts / "python"))
    for path, folder, expected in (
        (f"{scripts}:/usr/bin:/bin", tmp_path, "mps"),
        ("/usr/bin:/bin", checkout, ".venv/bin/mps"),
        ("/usr/bin:/bin", elsewhere, f"'{scripts}/mps'"),
    ):
        monkeypatch.setenv("PATH", path)
        monkeypatch.chdir(folder)
        assert program() == expected
        done = subprocess.run(["sh", "-c", program()], capture_output=True, text=True, check=True)
        assert done.stdout == "it ran\n"
    (scripts / "mps").unlink()
    monkeypatch.chdir(checkout)
    assert program() == ".venv/bin/python -m cli.main"


def test_a_log_gets_each_step_once():
    """A step whose seconds are counted is one line of a log, and each other step is one."""
    console = Console(file=io.StringIO(), width=80)
    tell = demo._steps(console)
    once = "fetching (once, a minute)"
    for text in (once, "starting Kafka", "training the baseline, 1 s", "training the baseline, 2 s", "starting score"):
        tell(text)
    assert console.file.getvalue().splitlines() == [once, "starting Kafka", "training the baseline", "starting score"]


def test_a_command_that_ends_early_hands_its_code_on(tmp_path):
    """A check that finds a fault exits with 1, as a script must see it."""
    bad = tmp_path / "bad.csv"
    bad.write_text("nothing,that,is,known\n1,2,3,4\n")
    command = [sys.executable, "-m", "cli.main", "reference", "check", str(bad)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
