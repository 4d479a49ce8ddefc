"""What a stage is: a pure step from (state, batch) to (state, records), and the names that wire it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from processors.runtime.batch import Columns
from processors.runtime.state import State, TableSpec

OUT_OF_ORDER = "out_of_order"
"""Fate of a row that is not after the last one of its symbol and timeframe, in every stage that reads such rows.

Counted and left: what was made of the later row cannot be unmade. No dead letter, since nothing is wrong with the row
itself.
"""


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

    A stage with ``sides`` gets batches of its source and of each side, one topic a batch (``batch.topic``), all of one
    partition number and into one state. Each topic comes in its own order, but how they interleave is not determined:
    it is another one live, after a restart and in a replay. So what such a stage publishes may depend on keys and event
    times, never on which topic came first: it holds a row until its partners are there or, by event time, can no longer
    come, and publishes in the order of one topic or of event time and key.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    """Topic it consumes."""
    sides: ClassVar[tuple[str, ...]] = ()
    """Topics it consumes beside its source, with as many partitions and the same keys."""
    sinks: ClassVar[tuple[str, ...]]
    """Topics it publishes to, beside the dead letter."""
    tables: ClassVar[tuple[TableSpec, ...]]
    """State it keeps, per partition."""
    rules: ClassVar[int] = 1
    """Number of the rules by which the state is kept, up to 255. Raise it when code changes so that kept state means
    something else, or would have become something else, though layout and settings are as before: state that was kept
    by other rules is refused."""
    partitions: int = 0
    """Partitions of the platform that it counts on, checked when it starts; 0 where it asks for none."""
    settings: str = ""
    """Text of the settings that the kept state depends on. State that was kept under other ones is refused, since it is
    not what these would have made of the same records. Empty where it depends on none."""

    def open(self) -> State:
        """Return the empty state of one partition."""
        return State(self.tables, self.settings, self.rules)

    @abstractmethod
    def step(self, state: State, batch: Columns) -> Output:
        """Consume one batch of one topic and partition, in order; update the state in place and return the records.

        ``batch.offset`` has the rows' offsets in the source topic, -1 where the source ran in this very process.

        Raises
        ------
        RetryableError, BackpressureError
            Nothing was consumed: the driver restores the state and tries again.
        """
