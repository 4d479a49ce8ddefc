"""Reading known answers so that one bad file or row is one failed case, and the rest is still checked.

The answers come from elsewhere and may have any form, so every check goes through ``attempt``: by file, and by row.
"""

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.conformance.case import Case

SAID_MAX = 300
"""Longest text of an error: some quote all that they were given."""

Row = dict[str, str]


class Overlong(Row):
    """A row with more cells than there are columns: none of them can be told, so each raises."""

    def __getitem__(self, name: str) -> str:
        """Raise ``ValueError``."""
        raise ValueError(f"more cells than columns, so that {name} may be any")


def attempt(kind: str, name: str, check: Callable[..., Iterable[Case]], *given: Any) -> Iterator[Case]:
    """Yield the cases of a check; where it breaks, a failed case by that name that says how.

    Parameters
    ----------
    kind, name
        Of the case that tells of the break.
    check, given
        What yields cases, and its arguments.
    """
    try:
        yield from check(*given)
    except Exception as error:  # noqa: BLE001 - what a stranger's file breaks is not known beforehand
        yield Case(kind, name, ok=False, detail=f"cannot be read: {said(error)}")


def said(error: Exception) -> str:
    """Return what an error says, for one who has only the file before him."""
    if isinstance(error, KeyError):
        return f"no {error.args[0]!r}"
    return f"{type(error).__name__}: {error}"[:SAID_MAX]


def entries(path: Path, key: str = "cases") -> list[Any]:
    """Return the list of cases of a JSON file.

    Raises
    ------
    ValueError
        It is no JSON, or has no such list.
    """
    known = json.loads(path.read_text(encoding="utf-8"))
    found = known.get(key) if isinstance(known, dict) else None
    if not isinstance(found, list):
        raise ValueError(f"no list {key!r}: {_form(known)}")  # noqa: TRY004 - one error for a file of another form
    return found


def groups(kind: str, path: Path, one: Callable[[str, Any, dict[str, Any]], Iterator[Case]]) -> Iterator[Case]:
    """Yield the cases of a JSON file in which every list is one of cases.

    Parameters
    ----------
    one
        Answers one of them, given its name, itself and the whole file.

    Raises
    ------
    ValueError
        It is no JSON, no object, or has no list.
    """
    known = json.loads(path.read_text(encoding="utf-8"))
    lists = {k: v for k, v in known.items() if isinstance(v, list)} if isinstance(known, dict) else {}
    if not lists:
        raise ValueError(f"no list of cases: {_form(known)}")
    for group, cases in lists.items():
        for place, case in enumerate(cases):
            name = f"{path.name} {group} {place}"
            yield from attempt(kind, name, one, name, case, known)


def _form(known: Any) -> str:
    """Return in a few words what a JSON file holds."""
    if isinstance(known, dict):
        return f"an object of {', '.join(map(repr, list(known)[:8])) or 'nothing'}"
    return f"a {type(known).__name__}" + (f" of {len(known)}" if isinstance(known, list) else "")


def columns(path: Path) -> list[str]:
    """Return the names in the first line of a CSV file."""
    with path.open(newline="", encoding="utf-8") as f:
        return next(csv.reader(f), [])


def rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a CSV file with the line on which each ends.

    Cells that a row lacks are empty; a row with too many is ``Overlong``, and fails where it is read.

    Raises
    ------
    ValueError
        A needed column is not there.
    """
    with path.open(newline="", encoding="utf-8") as f:
        reader = csv.DictReader(f, restkey="", restval="")
        there = reader.fieldnames or []
        missing = [name for name in needed if name not in there]
        if missing:
            raise ValueError(f"no column {', '.join(missing)}; there are {', '.join(there) or 'none'}")
        for row in reader:
            # Cells beyond the columns stand under the empty name.
            yield reader.line_num, Overlong(row) if "" in row and "" not in there else row


def number(row: Row, name: str) -> float:
    """Return a cell as a finite number.

    Raises
    ------
    ValueError
        It is none.
    """
    try:
        value = float(row[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is {row[name]!r}, no number")
    return value
