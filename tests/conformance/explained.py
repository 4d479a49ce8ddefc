"""Differences that are right: why, by patterns of their names, from files with columns ``kind,name,reason``.

A pattern is matched as in a shell: ``*``, ``?``, ``[ab]``, and ``{A,B}`` for one of several words.
"""

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tests.conformance.case import Case
from tests.conformance.reading import rows

OURS = Path(__file__).with_name("explained.csv")
COLUMNS = ("kind", "name", "reason")
_WORDS = re.compile(r"\{([^{}]*)\}")


def spelled_out(pattern: str) -> list[str]:
    """Return the patterns without braces that one with braces stands for."""
    parts = _WORDS.split(pattern)
    # Odd parts were within braces.
    return ["".join(p) for p in product(*(part.split(",") if i % 2 else [part] for i, part in enumerate(parts)))]


@dataclass(frozen=True, slots=True)
class _Explanation:
    kind: str
    patterns: tuple[re.Pattern[str], ...]
    reason: str
    path: Path
    where: str


class Explanations:
    """The explanations of some files, and which of them were needed.

    Parameters
    ----------
    paths
        The files; those of the user behind ours.

    Raises
    ------
    ValueError
        A file without a column, or a row without a kind, a name or a reason.
    """

    def __init__(self, *paths: Path) -> None:
        self._known = [one for path in paths for one in _read(path)]
        self._needed: set[_Explanation] = set()

    def reason_of(self, case: Case) -> str | None:
        """Return why a case differs, where that is explained."""
        for one in self._known:
            if one.kind == case.kind and any(p.match(case.name) for p in one.patterns):
                self._needed.add(one)
                return one.reason
        return None

    def unused(self) -> list[str]:
        """Return where each explanation of the user's stands that no difference needed; ours are for any folder."""
        return [one.where for one in self._known if one not in self._needed and one.path != OURS]


def _read(path: Path) -> Iterator[_Explanation]:
    try:
        for line, row in rows(path, COLUMNS):
            yield _explanation(path, line, *(row[column].strip() for column in COLUMNS))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _explanation(path: Path, line: int, kind: str, name: str, reason: str) -> _Explanation:
    if not (kind and name and reason):
        raise ValueError(f"line {line} wants a kind, a pattern of names and a reason")
    patterns = tuple(re.compile(fnmatch.translate(p)) for p in spelled_out(name))
    return _Explanation(kind, patterns, reason, path, f"{path} line {line}: {kind},{name}")
