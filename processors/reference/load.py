"""Files of reference data into records: each value, row and file is checked, and all together, or nothing is loaded.

    file -> table of raw values -> parsed row -> record -> file as a whole -> all files together

A file is recognised by its columns. All that is wrong is told at once, each with row, column, value and remedy.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol

from processors.reference import columns as co
from processors.reference import values as v
from processors.reference.events import form_of
from processors.reference.records import Fundamental, MarketEvent, Record, Security
from processors.reference.table import Problem, ReferenceFileError, Table, read_table, shown
from processors.reference.together import Placed, contradictions

PROBLEMS_MAX = 1000
"""A file of another form is wrong in every row: what is more is not looked for."""

COLUMNS_OF_ANOTHER_MAX = 2
"""A file that shares so few columns with any form is another kind of file, not one with columns missing."""

Kind = type[Security] | type[Fundamental] | type[MarketEvent]

_BUILD: dict[Kind, Callable[[Mapping[str, Any], str], Record]] = {
    Security: co.security,
    Fundamental: co.fundamental,
    MarketEvent: co.event,
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """Records of some files, all of them right.

    Parameters
    ----------
    rows
        Number of rows of each file, by its name.
    """

    records: list[Record]
    rows: dict[str, int]

    @property
    def counts(self) -> dict[str, int]:
        """Number of records by topic."""
        out: dict[str, int] = {}
        for record in self.records:
            out[record.TOPIC] = out.get(record.TOPIC, 0) + 1
        return out

    @property
    def securities(self) -> list[Security]:
        """The records of ``reference.v1``."""
        return [r for r in self.records if isinstance(r, Security)]

    @property
    def events(self) -> list[MarketEvent]:
        """The records of ``events.v1``."""
        return [r for r in self.records if isinstance(r, MarketEvent)]

    @property
    def fundamentals(self) -> list[Fundamental]:
        """The records of ``fundamentals.v1``."""
        return [r for r in self.records if isinstance(r, Fundamental)]


def load(paths: Iterable[Path], there: Sequence[Security] = ()) -> Loaded:
    """Return the records of all files.

    Parameters
    ----------
    there
        Securities that are loaded already: new ones must not contradict them.

    Raises
    ------
    ReferenceFileError
        Something is wrong in a file; its ``problems`` are all that is.
    ConfigError
        A file is missing, or of no known form.
    """
    return load_tables([_read(path) for path in paths], there)


class Store(Protocol):
    """Where records are kept; ``ReferenceStore`` keeps them in Kafka."""

    def read(self, topic: str) -> list[Record]:
        """Return every record of a topic."""
        ...

    def publish(self, records: Iterable[Record]) -> dict[str, int]:
        """Keep all records, or none."""
        ...


def import_files(paths: Iterable[Path], store: Store) -> Loaded:
    """Load files and keep their records: all of them, or nothing where anything is wrong.

    Raises
    ------
    ReferenceFileError
        Something is wrong in a file, or contradicts what is kept already.
    RetryableError
        The store did not take it; nothing of it is kept.
    """
    loaded = load(paths, [r for r in store.read(Security.TOPIC) if isinstance(r, Security)])
    store.publish(loaded.records)
    return loaded


def _read(path: Path) -> Table | list[Problem]:
    """Return the rows, or why there are none: the other files are still checked."""
    try:
        return read_table(path)
    except ReferenceFileError as e:
        return e.problems


def load_tables(tables: Iterable[Table | list[Problem]], there: Sequence[Security] = ()) -> Loaded:
    """Return the records of tables that are read already; see ``load``.

    Raises
    ------
    ReferenceFileError
        Something is wrong in a table.
    """
    placed: list[Placed] = []
    problems: list[Problem] = []
    rows: dict[str, int] = {}
    for table in tables:
        if isinstance(table, list):
            problems += table
            continue
        found, wrong = records_of(table)
        placed += found
        problems += wrong
        rows[table.file] = len(table.rows)
    # Only whole files can contradict each other.
    problems = problems or contradictions(placed, there)
    if problems:
        raise ReferenceFileError(problems[:PROBLEMS_MAX])
    return Loaded([p.record for p in placed], rows)


def records_of(table: Table) -> tuple[list[Placed], list[Problem]]:
    """Return the records of one table with their rows, and all that is wrong in it."""
    form = form_of(table.columns)
    if form is not None:
        return form(table)
    kind = kind_of(table.columns)
    if len({co.ALIASES.get(c, c) for c in table.columns} & co.COLUMNS[kind].keys()) <= COLUMNS_OF_ANOTHER_MAX:
        remedy = "the columns of securities, fundamentals, events or a public file: see docs/reference-data.md"
        return [], [Problem(table.file, 1, table.columns[0], shown(", ".join(table.columns)), remedy)]
    names, problems = _names(table, co.COLUMNS[kind])
    if problems:
        return [], problems
    source = Path(table.file).name[: v.TEXT_CHARACTERS_MAX]
    placed: list[Placed] = []
    for row, number in zip(table.rows, table.numbers, strict=True):
        record, wrong = _record(kind, row, names, table.file, number, source)
        problems += wrong
        if record is not None:
            placed.append(Placed(record, table.file, number))
        if len(problems) >= PROBLEMS_MAX:
            break
    return placed, problems


def kind_of(names: Sequence[str]) -> Kind:
    """Return the record whose columns a file has most of."""
    given = {co.ALIASES.get(n, n) for n in names}

    def shared(kind: Kind) -> float:
        return len(given & co.COLUMNS[kind].keys()) / len(co.COLUMNS[kind]) + len(given & _OWN[kind])

    return max(co.COLUMNS, key=shared)


_OWN: dict[Kind, set[str]] = {
    kind: set(columns).difference(*(other for k, other in co.COLUMNS.items() if k is not kind))
    for kind, columns in co.COLUMNS.items()
}
"""Columns that no other record has."""


def _names(table: Table, columns: Mapping[str, co.Column]) -> tuple[dict[str, str], list[Problem]]:
    """Return the column of the file for each column of ours, and what is wrong with the header."""
    names: dict[str, str] = {}
    problems = []
    for name in table.columns:
        ours = co.ALIASES.get(name, name)
        if ours not in columns:
            near = get_close_matches(ours, columns, 1)
            remedy = f"no column of this form{f'; {near[0]}?' if near else ''}"
            problems.append(Problem(table.file, 1, name, shown(name), remedy))
        elif ours in names:
            problems.append(Problem(table.file, 1, name, shown(name), f"each column once; {names[ours]} is the same"))
        else:
            names[ours] = name
    for name, column in columns.items():
        if column.required and name not in names:
            problems.append(Problem(table.file, 1, name, "missing", "every file of this form has this column"))
    return names, problems


def _record(
    kind: Kind, row: Mapping[str, Any], names: Mapping[str, str], file: str, number: int, source: str
) -> tuple[Record | None, list[Problem]]:
    """Return the record of one row, or all that is wrong in it."""
    parsed: dict[str, Any] = {}
    problems = []
    for name, column in co.COLUMNS[kind].items():
        given = names.get(name, name)
        raw = row.get(given)
        if v.is_empty(raw):
            parsed[name] = None
            if column.required:
                problems.append(Problem(file, number, given, "empty", "must not be empty"))
            continue
        try:
            parsed[name] = column.parse(raw)
        except v.Refused as e:
            problems.append(Problem(file, number, given, shown(raw), str(e)))
    if problems:
        return None, problems
    parsed["withdrawn"] = row.get(names.get("value", "value")) == v.WITHDRAWN
    try:
        return _BUILD[kind](parsed, source), []
    except co.Inconsistent as e:
        given = names.get(e.column, e.column)
        raw = row.get(given)
        return None, [Problem(file, number, given, "empty" if v.is_empty(raw) else shown(raw), str(e))]
