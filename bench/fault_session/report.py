"""What each fault left: its mark, and the final bars beside those of the clean run.

A vendor is *outvoted* in a minute when taking it away altogether changes nothing: the bar of the run without it is, bit
for bit, that of the clean run. There its faults must not change the bar either. One thing may: the hole takes the
records of all vendors, nobody outvotes that, and the gap mark says so.
"""

from dataclasses import dataclass

import numpy as np

from bench.fault_session import session as s
from bench.fault_session.faults import FAR_S, MINUTE_NS, SECOND_NS, Fault, ahead, behind, late, silent
from bench.fault_session.outputs import Outputs, Record
from processors.feeds import port
from processors.runtime.strings import STRINGS

PRICES = ("o", "h", "l", "c")
RECEIPT_S = 0.5
"""How much younger than its stamp the consensus of a sound tick may be: the slowest vendor's delay."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One trace of a fault.

    Parameters
    ----------
    where
        Topic and field, or metric.
    expected
        As many as there must be; None where at least one must be there.
    """

    where: str
    count: int
    expected: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the mark is there."""
        return self.count > 0 if self.expected is None else self.count == self.expected


@dataclass(frozen=True, slots=True)
class Bars:
    """Minute bars of the time of one fault, up to the next one, beside the clean run's.

    Parameters
    ----------
    equal, different
        Minutes in which the vendor was outvoted.
    explained
        Of the different ones, those that the module's docstring explains.
    counted_equal, counted_different
        Minutes in which the vendor counted.
    off_pips_max
        Largest difference of an open, high, low or close; NaN where there is no bar at all.
    """

    equal: int
    different: int
    explained: int
    counted_equal: int
    counted_different: int
    off_pips_max: float


@dataclass(frozen=True, slots=True)
class Row:
    """One fault of a panel."""

    fault: str
    injected: int
    marks: tuple[Mark, ...]
    bars: Bars


ALL = "all of them"


def rows_of(session: s.Session, variants: list[Outputs], missing: int, reordered: int) -> list[Row]:
    """Return the table of a panel: a row for each fault, and one for what is counted over the whole session.

    Parameters
    ----------
    missing, reordered
        What the metrics of the third vendor say at the end.
    """
    clean, without, faulty = variants
    out = []
    for i, (fault, n) in enumerate(zip(session.faults, session.injected, strict=True)):
        # The first fault answers for the minutes before it too: they are equal, or something else is wrong.
        begin = fault.begin_min if i else 0
        end = session.faults[i + 1].begin_min if i + 1 < len(session.faults) else s.MINUTES
        bars = _bars(range(int(begin), int(end)), fault, clean, without, faulty)
        out.append(Row(fault.name, n, tuple(_marks(fault, n, clean, faulty)), bars))
    lost, overtaken = _numbers(session)
    came_late = sum(_told_missing(f, faulty) for f in session.faults if f.inject is late)
    marks = (
        Mark("mps_source_missing_total: numbers that no sound tick had, or a late one", missing, lost + came_late),
        Mark("mps_source_reordered_total: numbers overtaken in the log", reordered, overtaken),
    )
    out.append(Row(ALL, sum(session.injected), marks, Bars(0, 0, 0, 0, 0, 0.0)))
    return out


def _numbers(session: s.Session) -> tuple[int, int]:
    """Return how many of the third vendor's numbers no sound tick has in the faulty log, and how many are overtaken."""
    clean, _, faulty = (log.take(port.longs(log, "vendor") == STRINGS.code(s.THIRD)) for log in session.logs)
    ahead_ns = port.longs(faulty, "ts_event") - port.longs(faulty, "ts_recv")
    sound = faulty.take((faulty["bid"] <= faulty["ask"]) & (ahead_ns <= s.AHEAD_NS_MAX))
    numbers = port.longs(sound, "seq")
    _, first = np.unique(numbers, return_index=True)
    came = numbers[np.sort(first)]
    lost = len(np.setdiff1d(port.longs(clean, "seq"), came))
    return lost, int((came < np.maximum.accumulate(came)).sum())


def _told_missing(fault: Fault, run: Outputs) -> int:
    """Return how many ticks of the vendor are told to be missing from the time of a fault on."""
    begin, end = fault.window_ns(s.START_NS)
    told = [r for r in run.ticks if r["source"] == s.THIRD and r["missing"]]
    return sum(r["missing"] for r in told if begin - MINUTE_NS <= r["missing_since"] < end)


def _in_gap(fault: Fault, run: Outputs) -> int:
    """Return how often the vendor came into a gap."""
    return sum(r["state"] == "gap" for r in _changes(fault, run, s.THIRD))


# ---- marks ----


def _marks(fault: Fault, n: int, clean: Outputs, faulty: Outputs) -> list[Mark]:  # noqa: PLR0911 - one form a fault
    begin, end = fault.window_ns(s.START_NS)
    mine, before = faulty.between(begin, end, s.THIRD), clean.between(begin, end, s.THIRD)
    fates = faulty.fates["reconcile"]
    if fault.name == "drop":
        return [Mark("ticks.consensus.v1 missing: ticks", _told_missing(fault, faulty), n),
                Mark("data.freshness of the vendor gap", _in_gap(fault, faulty)),
                Mark("bars.v1 quality.gap", _gaps(fault, faulty)),
                Mark("bars.v1 n_trades: fewer", _fewer(fault, clean, faulty), n)]  # fmt: skip
    if fault.name == "repeat":
        return [Mark("reconcile fate duplicate", fates.get("duplicate", 0), n),
                Mark("ticks.consensus.v1: ticks of the vendor", len(mine), len(before))]  # fmt: skip
    if fault.name.startswith("reorder within"):
        return [Mark("ticks.consensus.v1: overtaken, accepted", _overtaken(mine)),
                Mark("ticks.consensus.v1 missing: none", _told_missing(fault, faulty), 0),
                Mark("ticks.consensus.v1 late: none of", sum(not r["late"] for r in mine), len(before))]  # fmt: skip
    if fault.inject is late:
        return [Mark("ticks.consensus.v1 late", sum(r["late"] for r in mine)),
                Mark("ticks.consensus.v1 missing: until they came", _told_missing(fault, faulty)),
                Mark("ticks.consensus.v1: late and in time", len(mine), len(before))]  # fmt: skip
    if fault.inject is ahead:
        told = [r for r in faulty.dead if r["error"] == "bad_time" and s.THIRD in r["reason"]]
        more = faulty.fates["reconcile"]["dead"] - clean.fates["reconcile"]["dead"]
        lost = _lost_dead(clean, faulty)
        return [Mark("dead.letter.v1 bad_time, with the reason", len(told), n),
                Mark("ticks.consensus.v1 missing: ticks", _told_missing(fault, faulty), n),
                Mark("reconcile fate dead: more", more + lost, n)]  # fmt: skip
    if fault.inject is behind:
        apart = sum(r["weight"] is None for r in mine)
        return [Mark("ticks.consensus.v1 weight null: no part in the consensus", apart, len(mine)),
                Mark("bars.v1 n_trades: fewer", _fewer(fault, clean, faulty), n)]  # fmt: skip
    if fault.name == "spike":
        cut = sum(r["outlier"] and any(c.startswith(f"{s.THIRD}:") for c in r["cut"]) for r in mine)
        return [Mark("ticks.consensus.v1 outlier, cut with the reason", cut, n),
                Mark("reconcile fate cut", fates.get("cut", 0), n),
                Mark("bars.v1 quality.outlier_frac: ticks", _outliers(fault, faulty), n)]  # fmt: skip
    assert fault.inject is silent
    if fault.vendor:
        return [Mark("data.freshness of the vendor delayed, stale, fresh", _outages(fault, faulty, fault.vendor), 1),
                Mark("ticks.consensus.v1 missing: ticks", _told_missing(fault, faulty), n),
                Mark("data.freshness of the vendor gap", _in_gap(fault, faulty), 1)]  # fmt: skip
    return [Mark("data.freshness of sources delayed or stale", _silent_sources(fault, faulty), 3),
            Mark("data.freshness of the consensus stale", _consensus_stale(fault, faulty)),
            Mark("bars.v1 missing", _missing(fault, faulty), 1),
            Mark("bars.v1 quality.gap", _gaps(fault, faulty), 1)]  # fmt: skip


def _window_bars(fault: Fault, run: Outputs) -> list[Record]:
    begin, end = fault.window_ns(s.START_NS)
    return [r for at, r in run.minutes().items() if at + MINUTE_NS > begin and at < end]


def _fewer(fault: Fault, clean: Outputs, faulty: Outputs) -> int:
    return sum(r["n_trades"] for r in _window_bars(fault, clean)) - sum(
        r["n_trades"] for r in _window_bars(fault, faulty)
    )


def _overtaken(ticks: list[Record]) -> int:
    at = np.array([r["ts_event"] for r in ticks])
    return int(np.sum(at < np.maximum.accumulate(at)))


def _lost_dead(clean: Outputs, faulty: Outputs) -> int:
    """Return the dead letters of the leader that the hole took away with everything else."""
    return sum(s.THIRD not in r["reason"] for r in clean.dead) - sum(s.THIRD not in r["reason"] for r in faulty.dead)


def _outliers(fault: Fault, run: Outputs) -> int:
    """Return the ticks behind the shares: a share is cut / (counted + cut)."""
    shares = [(r["n_trades"], r["quality"]["outlier_frac"]) for r in _window_bars(fault, run)]
    return round(sum(n * share / (1.0 - share) for n, share in shares))


def _changes(fault: Fault, run: Outputs, source: str) -> list[Record]:
    """Return the changes of a source in the window and a minute after it."""
    begin, end = fault.window_ns(s.START_NS)
    return [r for r in run.freshness if r["source"] == source and begin <= r["ts"] < end + MINUTE_NS]


def _outages(fault: Fault, run: Outputs, source: str) -> int:
    """Return how often a source went from delayed to stale and back to fresh."""
    states = " ".join(r["state"] for r in _changes(fault, run, source))
    return states.count("delayed stale fresh")


def _silent_sources(fault: Fault, run: Outputs) -> int:
    sources = (s.LEADER, s.SECOND, s.THIRD)
    return sum(any(r["state"] in ("delayed", "stale") for r in _changes(fault, run, name)) for name in sources)


def _consensus_stale(fault: Fault, run: Outputs) -> int:
    return sum(r["state"] == "stale" and r["tf"] == "1m" for r in _changes(fault, run, "consensus"))


def _missing(fault: Fault, run: Outputs) -> int:
    begin, end = fault.window_ns(s.START_NS)
    there = run.minutes()
    return sum(at not in there for at in range(begin - begin % MINUTE_NS, end, MINUTE_NS))


def _gaps(fault: Fault, run: Outputs) -> int:
    return sum(r["quality"]["gap"] for r in _window_bars(fault, run))


# ---- bars ----


def _prices(bar: Record | None) -> tuple[float, ...] | None:
    return None if bar is None else tuple(bar[k] for k in PRICES)


def _bars(span: range, fault: Fault, clean: Outputs, without: Outputs, faulty: Outputs) -> Bars:
    """Compare the minutes of a span, bit for bit."""
    equal = different = explained = counted_equal = counted_different = 0
    off: list[float] = [0.0]
    runs = [run.minutes() for run in (clean, without, faulty)]
    for minute in span:
        at = s.START_NS + minute * MINUTE_NS
        was, alone, now = (_prices(run.get(at)) for run in runs)
        same = now == was
        if was != alone:
            counted_equal += same
            counted_different += not same
        elif same:
            equal += 1
        else:
            different += 1
            explained += _is_explained(fault, at)
        off += [abs(a - b) / s.PIP for a, b in zip(now or (), was or (), strict=False)]
    return Bars(equal, different, explained, counted_equal, counted_different, max(off))


def _is_explained(fault: Fault, at: int) -> bool:
    """Return whether a minute is one of a hole of all vendors, or the first after it."""
    begin, end = fault.window_ns(s.START_NS)
    return not fault.vendor and begin < at + MINUTE_NS and at < end


def outside(session: s.Session, faulty: Outputs) -> int:
    """Return the prices of minute bars that no sound quote of their time spans: a fault that came through.

    Between the bids of a minute, and between its asks, as the clean log has them from the minute before (its last
    quotes stand in this one) to the longest delay after it.
    """
    raw = session.logs[0]
    bid, ask, at = raw["bid"], raw["ask"], port.longs(raw, "ts_event")
    sound = bid <= ask
    found = 0
    until = MINUTE_NS + int((FAR_S[1] + RECEIPT_S) * SECOND_NS)
    for start, bar in faulty.minutes().items():
        near = sound & (at >= start - 2 * MINUTE_NS) & (at < start + until)
        low, high = (0.5 * (f(bid[near]) + f(ask[near])) for f in (np.min, np.max))
        found += sum(not low <= bar[k] <= high for k in PRICES)
    return found


def unexplained(row: Row) -> int:
    """Return the minutes that differ where they must not."""
    return row.bars.different - row.bars.explained
