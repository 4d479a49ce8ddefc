"""What a bar does not bring itself: the curve of its root, and facts of its issuer and of the market.

bars of all contracts of a root -> curve_table -> columns F1 .. F3_YEARS
fundamentals.v1, events.v1      -> facts_table -> columns VIX .. YIELD_10Y
files of the same (MPS_FACTS)   -> facts_table -> the same columns, where the topics know nothing
splits among the events         -> splits      -> the shares that bars are told in
"""

import hashlib
from pathlib import Path

from processors.featurize.config import FeaturizeConfig
from processors.featurize.curve_table import ROOTS, Contracts
from processors.featurize.facts_table import FACTS, HEADS, FactTable, fill_columns, records_of
from processors.featurize.splits import SPLITS, Splits
from processors.reference.load import load
from processors.reference.records import Fundamental, MarketEvent
from processors.runtime.batch import F64, I64, Columns
from processors.runtime.state import State
from processors.times import DAY_NS
from schemas.instruments import Instruments

TABLES = (ROOTS, FACTS, HEADS, SPLITS)
SIDES = (Fundamental.TOPIC, MarketEvent.TOPIC)
FACT_FATES = FACT, UNUSED_FACT = "fact", "unused_fact"
"""Fates of a record of a side: kept; of a metric or type that no feature reads."""


class Outside:
    """Fills the columns of bars that come from elsewhere.

    Parameters
    ----------
    config
        Names the files; they are read here, once.

    Raises
    ------
    ConfigError, ReferenceFileError
        A file is missing, of no known form, or wrong: all that is wrong in it is told.
    """

    def __init__(self, config: FeaturizeConfig, instruments: Instruments) -> None:
        self._age_ns = config.curve_age_days * DAY_NS
        self._contracts = Contracts(instruments)
        self._filed: FactTable | None = None
        self.settings = f"curve {config.curve_age_days}"
        filed: list[MarketEvent] = []
        if config.facts_files:
            paths = [Path(name) for name in config.facts_files]
            loaded = load(paths)
            self._filed = FactTable()
            self._filed.add([*loaded.fundamentals, *loaded.events])
            filed = loaded.events
            digest = hashlib.sha256(b"".join(hashlib.sha256(p.read_bytes()).digest() for p in paths)).hexdigest()
            self.settings += f" facts {digest}"
        self._splits = Splits(instruments, filed)

    def add(self, state: State, batch: Columns) -> dict[str, int]:
        """Keep the facts of a batch of a side; return the number of its rows by fate."""
        records = records_of(batch.topic, batch)
        used = FactTable(state[FACTS.name], state[HEADS.name]).add(records)
        self._splits.add(state[SPLITS.name], (r for r in records if isinstance(r, MarketEvent)))
        return {FACT: used, UNUSED_FACT: len(batch) - used}

    def fill(self, state: State, batch: Columns, row_of: I64, bars: F64) -> None:
        """Write what was known before (the curve) and at (facts) the end of each bar into its columns.

        Parameters
        ----------
        batch
            Bars of known symbols, n rows.
        row_of
            Their rows of the instruments, shape (n,).
        bars
            Shape (n, N_BAR); ``END_S`` is there.
        """
        ts, symbols = (batch.ints[batch.layout.column[name][1]] for name in ("ts", "symbol_id"))
        revision = batch.ints[batch.layout.column["revision"][1]]
        close = batch.floats[batch.layout.column["c"][1]]
        self._contracts.follow(state[ROOTS.name], row_of, ts, revision == 0, close, self._age_ns, bars)
        roots = self._contracts.root_code[row_of]
        answers = FactTable(state[FACTS.name], state[HEADS.name]).answers(ts, symbols, roots)
        if self._filed is not None:
            answers = self._filed.answers(ts, symbols, roots, answers)
        fill_columns(bars, answers)

    def scales(self, state: State, batch: Columns) -> tuple[F64, I64, I64]:
        """Return scale and basis of each bar, and before which bars their symbols start anew; see ``Splits``."""
        ts, symbols, revision = (batch.ints[batch.layout.column[name][1]] for name in ("ts", "symbol_id", "revision"))
        return self._splits.scales(state[SPLITS.name], symbols, ts, revision == 0)
