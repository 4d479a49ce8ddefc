"""Fundamentals and dated events as featurize asks for them: by symbol, at the end of a bar, as known by then.

    records of fundamentals.v1 and events.v1 -> add -> chain of the symbol, or of the market -> fill -> columns of bars

A fact is not there before its time of knowledge. One that is added after a bar has ended that should have known it
changes nothing of that bar: rows are equal live and in a batch when facts are added before their knowledge passes.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import fields

import numpy as np

from processors.featurize import facts_kernel as k
from processors.featurize.indicators import layout as c
from processors.reference.records import Fundamental, MarketEvent
from processors.runtime.batch import F64, I64, NULL_LONG, Columns
from processors.runtime.state import Table, TableSpec
from processors.runtime.strings import STRINGS

Values = dict[str, float | int]
MARKET = "*"
"""Chain of what concerns every instrument."""
FIGURES = {
    "return_on_equity": k.RETURN_ON_EQUITY, "gross_margin": k.GROSS_MARGIN, "leverage": k.LEVERAGE,
    "accruals": k.ACCRUALS, "earnings_growth": k.EARNINGS_GROWTH, "equity": k.EQUITY, "assets": k.ASSETS,
    "liabilities": k.LIABILITIES, "net_income": k.NET_INCOME, "revenue": k.REVENUE, "gross_profit": k.GROSS_PROFIT,
    "operating_cash_flow": k.OPERATING_CASH_FLOW, "eps_diluted": k.EPS, "risk_budget_util": k.RISK,
}  # fmt: skip
"""Metric of a fundamental -> kind; others are of no use here."""
WEIGHTS = {
    "earnings": 1.0, "policy": 1.0, "merger": 1.0, "delisting": 1.0, "macro": 0.75, "spin_off": 0.75, "split": 0.5,
    "stock_dividend": 0.5, "listing": 0.5, "dividend": 0.25, "symbol_change": 0.1,
}  # fmt: skip
"""Type of a dated event -> weight: 1 for what moves prices most. Types that are daily series are no such events."""
MARKET_TYPES = ("macro", "policy")
VIX_SYMBOL, RISK_NAME = "VIX:INDEX", "risk_budget_util"
LEVELS = {
    (VIX_SYMBOL, "close"): k.VIX, ("POLICY:US", "primary_credit"): k.POLICY_RATE, ("TREASURY:US", "3month"): k.YIELD_3M,
    ("TREASURY:US", "10year"): k.YIELD_10Y,
}  # fmt: skip
"""Symbol and name of an event -> kind of the level of the market that it tells."""
QUARTERS = {"M": 0, "Q": 1, "H": 2, "FY": 4}
"""Span of a figure -> whole quarters in it."""
_TEXTS = ("symbol_id", "metric", "period", "event_id", "name", "unit", "text", "source")

FACTS = TableSpec(
    "facts",
    np.array(
        (-1, 1, 0, 0, 0, 0, k.NEVER_NS, np.nan, 0.0, -1),
        [("kind", "<i8"), ("span", "<i8"), ("identity", "<i8"), ("ts_event", "<i8"), ("ts_end", "<i8"),
         ("ts_known", "<i8"), ("until", "<i8"), ("value", "<f8"), ("weight", "<f8"), ("following", "<i8")],
    ),
    2,
)  # fmt: skip
"""A row a record: symbol, and key of the record in its topic."""
HEADS = TableSpec(
    "fact_heads",
    np.array(
        (-1, 0, 0, np.full(k.N_KNOWN, np.nan)),
        [("head", "<i8"), ("from_ns", "<i8"), ("until_ns", "<i8"), ("known", "<f8", (k.N_KNOWN,))],
    ),
    1,
)
"""A row a symbol: begin of its chain, and the last answer with the time in which it holds."""
_CHAIN = ("kind", "span", "ts_event", "ts_end", "ts_known", "until", "value", "weight", "following")
_COLUMNS = (
    (c.VIX, k.K_VIX), (c.RISK_BUDGET_UTIL, k.K_RISK), (c.NEXT_EVENT_S, k.K_NEXT_S), (c.LAST_EVENT_S, k.K_LAST_S),
    *((c.RETURN_ON_EQUITY + i, k.K_QUALITY + i) for i in range(5)),
    *((c.POLICY_RATE + i, k.K_RATES + i) for i in range(3)),
)  # fmt: skip


class FactTable:
    """Facts by symbol.

    Parameters
    ----------
    facts, heads
        Tables of ``FACTS`` and ``HEADS``: those of a state, or new ones.
    """

    def __init__(self, facts: Table | None = None, heads: Table | None = None) -> None:
        # An empty table is false.
        self.facts = Table(FACTS) if facts is None else facts
        self.heads = Table(HEADS) if heads is None else heads

    def add(self, records: Iterable[Fundamental | MarketEvent]) -> int:
        """Add records in any order, each key once or again with another value; return how many are of use."""
        used = 0
        for record in records:
            meanings = _meanings(record)
            for part, (chain, values) in enumerate(meanings):
                self._add("|".join([*record.key, *["level"] * part]), chain, values)
            used += bool(meanings)
        return used

    def _add(self, key: str, chain: str, values: Values) -> None:
        at = self.facts.slot(STRINGS.code(chain), STRINGS.code(key))
        head = self.heads.slot(STRINGS.code(chain))
        rows, first = self.facts.rows, self.heads.rows
        for name, value in values.items():
            rows[name][at] = value
        first["head"][head] = k.add(
            at, int(first["head"][head]), rows["identity"], rows["kind"], rows["span"], rows["ts_known"], rows["until"],
            rows["following"], self.facts.dirty,
        )  # fmt: skip
        first["from_ns"][head] = first["until_ns"][head] = 0
        self.heads.dirty[head] = 1

    def answers(self, ts_ns: I64, symbols: I64, roots: I64, out: F64 | None = None) -> F64:
        """Return what is known at the ends of bars, shape (n, N_KNOWN); numbers as in ``facts_kernel``.

        Parameters
        ----------
        ts_ns, symbols, roots
            End of each bar, and codes of its symbol and of the root of that, shape (n,).
        out
            Answers of other facts to add to: what they know stays.
        """
        n = len(ts_ns)
        out = np.full((n, k.N_KNOWN), np.nan) if out is None else out
        market = np.full(n, STRINGS.code(MARKET))
        slots = np.stack([self.heads.find(codes) for codes in (symbols, roots, market)], axis=1)
        # A root that is the symbol itself is asked once.
        slots[symbols == roots, 1] = -1
        if len(self.facts):
            rows, heads = self.facts.rows, self.heads.rows
            chain = (rows[name] for name in _CHAIN)
            k.fill(
                ts_ns, slots, heads["head"], heads["from_ns"], heads["until_ns"], heads["known"], self.heads.dirty,
                *chain, out,  # type: ignore[call-arg]
            )  # fmt: skip
        return out


def fill_columns(bars: F64, answers: F64) -> None:
    """Write answers into the columns of bars, shape (n, N_BAR); column ``END_S`` is read."""
    for column, at in _COLUMNS:
        bars[:, column] = answers[:, at]
    # What lasts is over at a time to come: as long as it lasts, it is now.
    bars[:, c.LAST_EVENT_S] = np.minimum(bars[:, c.LAST_EVENT_S], bars[:, c.END_S])
    to_next = answers[:, k.K_NEXT_S] - bars[:, c.END_S]
    since_last = bars[:, c.END_S] - bars[:, c.LAST_EVENT_S]
    # A comparison with a missing one is false: then the other is the nearer.
    last_is_nearer = (since_last < to_next) | np.isnan(to_next)
    bars[:, c.EVENT_WEIGHT] = answers[np.arange(len(bars)), np.where(last_is_nearer, k.K_LAST_WEIGHT, k.K_NEXT_WEIGHT)]


def chain_of(record: Fundamental | MarketEvent) -> str | None:
    """Return the symbol whose features read a record, or ``MARKET`` for those of all; None where none does."""
    meanings = _meanings(record)
    return meanings[0][0] if meanings else None


def identity_of(*parts: str) -> int:
    """Return a number for texts that is the same in every process."""
    digest = hashlib.blake2b("|".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def _meanings(r: Fundamental | MarketEvent) -> list[tuple[str, Values]]:
    """Return chain and row of each thing that a record says: nothing of use here, an event, a level, or both."""
    if isinstance(r, Fundamental):
        kind, span = FIGURES.get(r.metric), QUARTERS.get(r.span, 0)
        is_sum = kind is not None and kind >= k.N_POINTS
        # A sum over half a year, say, is no quarter of anything.
        if kind is None or (is_sum and span not in (QUARTERS["Q"], QUARTERS["FY"])):
            return []
        value = np.nan if r.value is None else r.value
        of = r.ts_event if kind == k.RISK else r.period_end
        # Equity at the end of December is one figure, whether a quarter or a year ends there; income is two.
        same = identity_of(r.symbol_id, r.metric, str(r.period_end), r.span if is_sum else "")
        return [(r.symbol_id, _row(kind, span, same, of, r.ts_known, value, 0.0))]
    value, same = np.nan if r.value is None else r.value, identity_of(r.symbol_id, r.event_id, r.type, r.name)
    level = k.RISK if r.name == RISK_NAME else LEVELS.get((r.symbol_id, r.name))
    out: list[tuple[str, Values]] = []
    if r.type in WEIGHTS:
        chain = MARKET if r.type in MARKET_TYPES else r.symbol_id
        weight = 0.0 if r.is_withdrawn else WEIGHTS[r.type]
        out.append((chain, _row(k.EVENT, 1, same, r.ts_event, r.ts_known, value, weight, r.ts_end)))
    if level is not None:
        out.append((MARKET, _row(level, 1, same, r.ts_event, r.ts_known, value, 0.0)))
    return out


def _row(
    kind: int,
    span: int,
    identity: int,
    ts_event: int,
    ts_known: int,
    value: float,
    weight: float,
    ts_end: int | None = None,
) -> Values:
    return {
        "kind": kind, "span": span, "identity": identity, "ts_event": ts_event,
        "ts_end": ts_event if ts_end is None else ts_end, "ts_known": ts_known, "value": value, "weight": weight,
    }  # fmt: skip


def records_of(topic: str, batch: Columns) -> list[Fundamental | MarketEvent]:
    """Return the rows of a batch of fundamentals.v1 or events.v1 as records."""
    record: type[Fundamental | MarketEvent] = Fundamental if topic == Fundamental.TOPIC else MarketEvent
    layout, columns = batch.layout, []
    for name in (f.name for f in fields(record)):
        values = batch[name].tolist()
        if name in layout.symbols:
            values = [layout.symbols[name][v] for v in values]
        elif name in _TEXTS:
            values = [STRINGS.text(v) for v in values]
        columns.append([None if v == NULL_LONG or (isinstance(v, float) and math.isnan(v)) else v for v in values])
    return [record(*row) for row in zip(*columns, strict=True)]
