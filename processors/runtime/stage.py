"""What a stage is: a pure step from (state, batch) to (state, records), and the names that wire it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from processors.runtime.batch import Columns
from processors.runtime.state import State, TableSpec


@dataclass(frozen=True, slots=True)
class Rejected:
    """An input row that goes to the dead letter.

    Parameters
    ----------
    row
        Position in the input batch.
    error
        Short name of the broken rule, for example ``crossed_quote``: a metric label.
    reason
        Sentence with the instrument, the values and the rule.
    """

    row: int
    error: str
    reason: str


@dataclass(slots=True)
class Output:
    """What one step gives.

    Parameters
    ----------
    records
        Topic -> columns of that topic's schema, in the order of publication. Every row has a ``symbol_id``.
    rejected
        Input rows for the dead letter, ascending by row.
    counts
        Fate -> number of input rows that met it. Fates of one stage exclude each other and add up to its input.
    """

    records: dict[str, Columns] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


class Stage(ABC):
    """One stage of the topology.

    ``step`` must depend on the state and the rows alone (no I/O, no clock, no unseeded randomness, no string code and
    no batch boundary), and change no state but the tables. Then every driver gives the same bytes.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    """Topic it consumes."""
    sinks: ClassVar[tuple[str, ...]]
    """Topics it publishes to, beside the dead letter."""
    tables: ClassVar[tuple[TableSpec, ...]]
    """State it keeps, per partition."""

    def open(self) -> State:
        """Return the empty state of one partition."""
        return State(self.tables)

    @abstractmethod
    def step(self, state: State, batch: Columns) -> Output:
        """Consume one batch of one partition, in order; update the state in place and return the records.

        ``batch.offset`` has the rows' offsets in the source topic, -1 where the source ran in this very process.

        Raises
        ------
        RetryableError, BackpressureError
            Nothing was consumed: the driver restores the state and tries again.
        """
