"""Progress of long work on standard error: a bar where a terminal shows it, else a line now and then."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

LINE_EVERY_S = 5.0
"""Logs keep their lines: often enough to see that it goes on, seldom enough to be read."""

Tell = Callable[[str, float | None], None]
"""Called with a step and the share that is done, from 0 to 1; None where nobody knows it."""


class Tasks:
    """Several tasks, each with a step and the share that is done.

    Parameters
    ----------
    quiet
        Show nothing: a machine reads.
    console
        Standard error where None.
    """

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
        self._bar = Progress(
            *columns, console=self._console, transient=True, disable=quiet or not self._console.is_terminal
        )  # fmt: skip
        self._lines = not quiet and not self._console.is_terminal
        self._told_s = -LINE_EVERY_S

    def __enter__(self) -> Self:
        """Show the bars."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bars away."""
        self._bar.stop()

    def add(self, name: str) -> Tell:
        """Return whom to tell what a new task is at."""
        task = self._bar.add_task(name, total=None)

        def tell(step: str, share: float | None) -> None:
            text = f"{name}: {step}"
            total = None if share is None else 1.0
            self._bar.update(task, description=text, total=total, completed=share or 0.0)
            if self._lines and time.monotonic() - self._told_s >= LINE_EVERY_S:
                self._told_s = time.monotonic()
                done = "" if share is None else f", {share:.0%}"
                self._console.print(text + done, markup=False, highlight=False, soft_wrap=True)

        return tell
