"""The file of all differences: CSV, or Markdown where its name ends so."""

import csv
from pathlib import Path

from tests.conformance.case import Case

HEAD = ("outcome", "kind", "name", "detail", "reason")


class Report:
    """Rows of differences, and the file that they go to.

    Parameters
    ----------
    path
        ``.md`` for Markdown, anything else is CSV; None for no file.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._rows: list[tuple[str, ...]] = []

    def add(self, case: Case, reason: str | None) -> None:
        """Note a difference, with its reason where it is explained."""
        outcome = "failed" if reason is None else "explained"
        self._rows.append((outcome, case.kind, case.name, case.detail, reason or ""))

    def write(self, title: str, totals: list[tuple[str, ...]]) -> None:
        """Write the file: in Markdown the totals too, as rows of kind, passed, explained and failed."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w", newline="", encoding="utf-8") as f:
            if self.path.suffix != ".md":
                csv.writer(f, lineterminator="\n").writerows([HEAD, *self._rows])
                return
            f.write(f"# {title}\n\n" + _table([("kind", "passed", "explained", "failed"), *totals]))
            f.write("\n" + (_table([HEAD, *self._rows]) if self._rows else "No difference.\n"))


def _table(rows: list[tuple[str, ...]]) -> str:
    head, *rest = ["| " + " | ".join(map(_cell, row)) + " |\n" for row in rows]
    return head + "| " + " | ".join("---" for _ in rows[0]) + " |\n" + "".join(rest)


def _cell(text: str) -> str:
    """Return a text that stays in its cell."""
    return text.replace("|", "\\|").replace("\r", " ").replace("\n", " ")
