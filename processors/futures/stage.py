"""The rolls stage: daily bars of futures contracts to rolls, ``bars.v1`` to ``rollovers.v1``.

    1d bars of a root's contracts -> the day's rows -> (the clock passes the close) -> RollTracker -> rollovers.v1
    events.v1: open interest ------- as known at the close ----------^

All contracts of a root are in one partition. A day is over when any record of the partition, a clock mark too, is later
than its bars; then its rows decide, and the rolls are stamped with its close. What comes for the day afterwards is
counted and changes nothing. Open interest is a side topic that moves no clock: see ``interest``.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError
from processors.futures import interest
from processors.futures import kernel as k
from processors.futures.config import RULES_MAX, RollsConfig
from processors.futures.expiry import contract_code, contract_parts, rule_of, rules
from processors.futures.rolls import KEPT_DAYS, Day, Rollover, RollTracker, month_index, month_text
from processors.runtime.batch import I64, Columns
from processors.runtime.layout import layout_of
from processors.runtime.stage import OUT_OF_ORDER, Output, Rejected, Stage
from processors.runtime.state import State, Table, TableSpec
from processors.runtime.strings import STRINGS
from processors.times import DAY_NS, LONG_AGO
from schemas.instruments import ASSET_CLASSES, Instruments, load_instruments
from schemas.registry import load_registry

DAILY = "1d"
WINDOW_MONTHS = 36
"""Three years of months from the front on: beyond them no contract of any root decides a roll."""

OPEN_ROWS_MAX = 64
"""Contracts of one root on one day; more than any root trades within the window."""

_KEPT = ("seen_day", "price", "volume", "open_interest", "kept_day", "kept_price")
"""Arrays of the tracker that are state, beside what it holds; the rest follows from the rules of the exchanges."""

BAR, OTHER, REVISION, LATE, DEAD = "bar", "other", "revision_ignored", OUT_OF_ORDER, "dead"
INTEREST, UNUSED_FACT = "interest", "unused_fact"


class Rolls(Stage):
    """Publishes the rolls of every root by every configured rule."""

    name: ClassVar[str] = "rolls"
    source: ClassVar[str] = "bars.v1"
    sides: ClassVar[tuple[str, ...]] = (interest.EVENTS,)
    sinks: ClassVar[tuple[str, ...]] = ("rollovers.v1",)

    def __init__(self, config: RollsConfig, instruments: Instruments | None = None) -> None:
        self.config, self.settings = config, config.settings
        self.instruments = instruments or load_instruments()
        self._layout = layout_of(load_registry().current("rollovers.v1").schema)
        clock = np.full((), LONG_AGO, [("ts", "<i8")])
        self.tables = (  # type: ignore[misc]  # depends on the depth
            TableSpec("clock", clock, 0),
            TableSpec("roots", self._fresh(), 1),
            interest.INTEREST,
        )
        self._daily = STRINGS.code(DAILY)
        # Read now, not in a step.
        rules()

    def _fresh(self) -> NDArray[np.void]:
        fresh = np.zeros((), [
            ("base", "<i8"), ("day", "<i8"), ("n_days", "<i8"), ("open_ts", "<i8"), ("n_open", "<i8"),
            ("open_month", "<i8", (OPEN_ROWS_MAX,)), ("open_price", "<f8", (OPEN_ROWS_MAX,)),
            ("open_volume", "<f8", (OPEN_ROWS_MAX,)),
            ("seen_day", "<i8", (WINDOW_MONTHS,)), ("price", "<f8", (WINDOW_MONTHS,)),
            ("volume", "<f8", (WINDOW_MONTHS,)), ("open_interest", "<f8", (WINDOW_MONTHS,)),
            ("kept_day", "<i8", (WINDOW_MONTHS, KEPT_DAYS)),
            ("kept_price", "<f8", (WINDOW_MONTHS, KEPT_DAYS)), ("held", "<i8", (RULES_MAX, self.config.depth)),
        ])  # fmt: skip
        fresh["day"] = fresh["open_ts"] = LONG_AGO
        fresh["seen_day"] = fresh["kept_day"] = LONG_AGO
        fresh["price"] = fresh["volume"] = fresh["open_interest"] = fresh["kept_price"] = np.nan
        fresh["held"] = k.NONE
        return fresh

    def step(self, state: State, batch: Columns) -> Output:
        """Return the rolls of the days that ended in the batch.

        Fates: bar, a daily bar of a contract; other; revision_ignored; out_of_order, a bar of a day that is decided
        or a second one of its day; dead. Of the side: interest; unused_fact, another event.
        """
        if batch.topic in self.sides:
            used = interest.add(state[interest.INTEREST.name], batch)
            return Output({}, [], {INTEREST: used, UNUSED_FACT: len(batch) - used})
        n = len(batch)
        clock, roots = state["clock"], state["roots"]
        if not n:
            return Output({}, [], {})
        ts = _longs(batch, "ts")
        now = np.maximum.accumulate(np.maximum(ts, clock.rows["ts"][0]))
        rolls: list[tuple[str, Rollover]] = []
        rejected: list[Rejected] = []
        counts = dict.fromkeys((BAR, OTHER, REVISION, LATE, DEAD), 0)
        for i in self._daily_bars(batch):
            rolls += self._due(state, int(now[i]))
            if _longs(batch, "revision")[i] > 0:
                counts[REVISION] += 1
                continue
            fate = self._take(roots, batch, int(i))
            if isinstance(fate, Rejected):
                rejected.append(fate)
                fate = DEAD
            counts[fate] += 1
        rolls += self._due(state, int(now[-1]))
        if now[-1] != clock.rows["ts"][0]:
            clock.rows["ts"][0] = now[-1]
            clock.dirty[0] = 1
        counts[OTHER] = n - sum(counts.values())
        return Output({"rollovers.v1": self._columns(rolls)}, rejected, counts)

    def _daily_bars(self, batch: Columns) -> I64:
        """Return the rows that are daily bars of futures."""
        at = np.flatnonzero(_longs(batch, "tf") == self._daily)
        row_of = self.instruments.row_of(_longs(batch, "symbol_id")[at])
        future = self.instruments.asset_class[row_of] == ASSET_CLASSES.index("future")
        found: I64 = at[(row_of >= 0) & future]
        return found

    def _take(self, roots: Table, batch: Columns, i: int) -> str | Rejected:
        """Put one bar among the rows of its root's open day; return its fate."""
        symbol = STRINGS.text(int(_longs(batch, "symbol_id")[i]))
        root_id = self.instruments.rows[self.instruments.by_symbol[symbol]].partition_key
        try:
            root, text = contract_parts(symbol.partition(":")[0])
            rule_of(root, text)
            month = month_index(text)
        except ConfigError as e:
            return Rejected(i, "unknown_contract", f"{symbol}: {e}")
        slot = roots.slot(STRINGS.code(root_id))
        row, ts = roots.rows[slot], int(_longs(batch, "ts")[i])
        day, n = (ts - 1) // DAY_NS, int(row["n_open"])
        if day <= row["day"] or (n and day != (int(row["open_ts"]) - 1) // DAY_NS):
            return LATE
        if month in row["open_month"][:n] or n == OPEN_ROWS_MAX:
            return LATE
        row["open_month"][n], row["open_price"][n] = month, batch["c"][i]
        row["open_volume"][n] = batch["v"][i]
        row["n_open"], row["open_ts"] = n + 1, max(int(row["open_ts"]), ts)
        roots.dirty[slot] = 1
        return BAR

    def _due(self, state: State, now: int) -> list[tuple[str, Rollover]]:
        """Return the rolls of the open days that are over at a time, the earlier day first, then by slot."""
        roots = state["roots"]
        n = len(roots)
        over = np.flatnonzero((roots.rows["n_open"][:n] > 0) & (roots.rows["open_ts"][:n] < now))
        order = over[np.argsort(roots.rows["open_ts"][over], kind="stable")]
        return [(root_id, r) for slot in order for root_id, r in self._decide(state, int(slot))]

    def _decide(self, state: State, slot: int) -> list[tuple[str, Rollover]]:
        roots = state["roots"]
        row, (root_id,) = roots.rows[slot], roots.key(slot)
        n = int(row["n_open"])
        root, _, venue = root_id.partition(":")
        tracker = RollTracker(root, self.config.rules_of(root), self.config.depth, WINDOW_MONTHS)
        n_rules = len(tracker.rules)
        tracker.base, tracker.n_days, tracker.day = (int(row[name]) for name in ("base", "n_days", "day"))
        for name in _KEPT:
            getattr(tracker, name)[:] = row[name]
        tracker.held[:] = row["held"][:n_rules]
        tracker.relearn()
        order = np.argsort(row["open_month"][:n])
        ts = int(row["open_ts"])
        month, price, volume = (row[name][:n][order] for name in ("open_month", "open_price", "open_volume"))
        contracts = [f"{contract_code(root, month_text(int(m)))}:{venue}" for m in month]
        known = interest.known_at(state[interest.INTEREST.name], contracts, ts)
        found = tracker.end_of_day(Day((ts - 1) // DAY_NS, ts, month, price, volume, known))
        for name in _KEPT:
            row[name] = getattr(tracker, name)
        row["held"][:n_rules] = tracker.held
        row["base"], row["n_days"], row["day"] = tracker.base, tracker.n_days, tracker.day
        row["n_open"], row["open_ts"] = 0, LONG_AGO
        roots.dirty[slot] = 1
        return [(root_id, r) for r in found]

    def _columns(self, rolls: list[tuple[str, Rollover]]) -> Columns:
        out = Columns.empty(self._layout, len(rolls))
        for i, (root_id, roll) in enumerate(rolls):
            venue = "".join(root_id.partition(":")[1:])
            out["ts"][i], out["depth"][i] = roll.ts, roll.depth
            texts = {
                "symbol_id": root_id, "rule": roll.rule, "reason": roll.reason,
                "from_symbol_id": roll.contract_from + venue, "to_symbol_id": roll.contract_to + venue,
            }  # fmt: skip
            for name, text in texts.items():
                out[name][i] = STRINGS.code(text)
            for name in ("price_from", "price_to", "ratio", "difference"):
                out[name][i] = getattr(roll, name)
        return out


def _longs(batch: Columns, name: str) -> I64:
    column: I64 = batch.ints[batch.layout.column[name][1]]
    return column


def build() -> Rolls:
    """Return the stage with the configuration of the environment."""
    return Rolls(RollsConfig.from_environment())
