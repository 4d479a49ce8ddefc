"""Progress of long work where no terminal shows bars."""

import io

from rich.console import Console

from cli import progress
from cli.progress import Tasks


def said(*steps, quiet=False, terminal=False):
    out = io.StringIO()
    with Tasks(quiet=quiet, console=Console(file=out, force_terminal=terminal, width=200)) as tasks:
        tell = tasks.add("fx_lgbm")
        for step in steps:
            tell(*step)
    return out.getvalue()


def test_a_log_has_a_line_now_and_then(monkeypatch):
    """The first step at once, the next when time has passed, with the share where it is known."""
    now = iter((0.0, 0.0, 1.0, 6.0, 6.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    found = said(("gold rows, 5 ticks", None), ("fold 1 of 3: fit", 0.1), ("fold 2 of 3: fit", 0.4))
    assert found == "fx_lgbm: gold rows, 5 ticks\nfx_lgbm: fold 2 of 3: fit, 40%\n"


def test_a_machine_that_reads_is_told_nothing():
    """Quiet means quiet."""
    assert said(("gold rows", None), ("fit", 0.5), quiet=True) == ""


def test_a_terminal_has_bars_and_no_lines():
    """The bar is taken away at the end."""
    assert "fx_lgbm: fit, 50%" not in said(("fit", 0.5), terminal=True)
