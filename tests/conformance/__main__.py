"""Check every known answer in a folder: ``make conformance DATA=FOLDER``.

Each kind of answers is a module of ``kinds/``. A difference that is right is explained, once and in general, in
``explained.csv``; any other difference, and any file or row that cannot be read, fails the command.
"""

import argparse
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.conformance.case import Case
from tests.conformance.explained import OURS, Explanations
from tests.conformance.reading import attempt
from tests.conformance.report import Report
from tests.support import SHARED

HERE = Path(__file__).parent
SHOWN_MAX = 20

EPILOG = """
  make conformance DATA=folder                                  every kind of answers in another folder
  make conformance ARGS="--kind futures --report out.md"        one kind, all differences into a file
  make conformance DATA=folder ARGS="--explained mine.csv"      with reasons of your own

The folder holds a folder a kind, as the one named first does. A file of reasons has the columns kind, name and reason;
name is a pattern: "*" and "?" as in a shell, {A,B} for one of several words. Exit status 0: all passed or explained;
1: some did not; 2: nothing was checked.
"""


def kinds() -> list[str]:
    """Return the names of all checks."""
    return sorted(p.stem for p in (HERE / "kinds").glob("*.py") if p.stem != "__init__")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--data", type=Path, help="folder of the known answers [../shared/conformance]")
    parser.add_argument("--kind", action="append", choices=kinds(), help="only this kind; may be repeated")
    parser.add_argument(
        "--report", type=Path, help="write every difference to this file: Markdown where it ends in .md, else CSV"
    )
    parser.add_argument(
        "--explained", type=Path, action="append", default=[],
        help="CSV of more reasons of differences: kind,name,reason; may be repeated",
    )  # fmt: skip
    return parser


class Run:
    """One run over the kinds: counts outcomes, shows the first differences of each, and keeps all for the report."""

    def __init__(self, explanations: Explanations, report: Report, console: Console) -> None:
        self.explanations, self.report, self.console = explanations, report, console
        self.passed, self.explained, self.failed = Counter[str](), Counter[str](), Counter[str]()

    def take(self, kind: str, case: Case) -> None:
        """Count a case, and show it where it differs or has news."""
        if case.ok:
            self.passed[kind] += 1
            if case.is_news:
                self._show(f"{kind} {case.name}: {case.detail}")
            return
        why = self.explanations.reason_of(case)
        outcome = self.failed if why is None else self.explained
        outcome[kind] += 1
        self.report.add(case, why)
        if outcome[kind] <= SHOWN_MAX:
            self._show(f"{kind} {case.name}: {case.detail}" + (f" [explained: {why}]" if why else ""))
        elif outcome[kind] == SHOWN_MAX + 1:
            self._show(f"{kind}: more differences; --report FILE has them all")

    def totals(self, names: list[str]) -> list[tuple[str, ...]]:
        """Return kind, passed, explained and failed of each kind."""
        return [(kind, *(str(n[kind]) for n in (self.passed, self.explained, self.failed))) for kind in names]

    def _show(self, line: str) -> None:
        self.console.print(line, soft_wrap=True)


def main(arguments: list[str] | None = None) -> int:
    """Print a table of passes by kind, and every difference; return 1 where one is not explained."""
    chosen = _parser().parse_args(arguments)
    folder = chosen.data or SHARED / "conformance"
    if not folder.is_dir():
        sys.stderr.write(f"conformance: no folder {folder}: name one with --data\n")
        return 2
    try:
        mine = Explanations(OURS, *chosen.explained)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"conformance: {error}\n")
        return 2
    run = Run(mine, Report(chosen.report), Console(emoji=False, markup=False, highlight=False))
    names = chosen.kind or kinds()
    for kind in names:
        check = import_module(f"tests.conformance.kinds.{kind}").check
        for case in attempt(kind, "the check", check, folder):
            run.take(kind, case)
    title, totals = f"Known answers in {folder}", run.totals(names)
    table = Table("kind", "passed", "explained", "failed", title=title)
    for row in totals:
        table.add_row(*row, style="dim" if set(row[1:]) == {"0"} else None)
    run.console.print(table)
    unread = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name not in kinds())
    if unread:
        run.console.print(f"folders that this command compares nothing of: {', '.join(unread)}", soft_wrap=True)
    run.report.write(title, totals)
    if not any(set(row[1:]) != {"0"} for row in totals):
        sys.stderr.write(f"conformance: no known answers in {folder}: it holds a folder a kind: {', '.join(names)}\n")
        return 2
    if mine.unused():
        sys.stderr.write("conformance: no difference needed these reasons: " + "; ".join(mine.unused()) + "\n")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
