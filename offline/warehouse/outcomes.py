"""What became of each signal, by the market's time and free of splits, as labels have it.

SELECT tf, avg(hit), avg(covered), avg(interval_coverage) FROM signal_outcomes WHERE empty(gates) GROUP BY tf

    signals -> closes of their symbols -> clocked: hours open and shut between bars     by sessions, instruments
                                          stepped: + actions, as known at each bar      by events
    a signal's bar and the h-th after it -> return of a holder; null where bars are missing, or the market shuts

The arithmetic is that of ``offline.datasets.clock`` and ``offline.datasets.shares``; a test compares the view with the
labels of the same rows.
"""

# ruff: noqa: S608 - every name in a statement comes from our schemas, no value from outside

from collections.abc import Sequence

from offline.warehouse.tables import Table
from schemas.timeframes import SESSION, TIMEFRAME_NS

STRETCH_MAX = 2.0
"""As ``offline.labels`` has it, which needs a compiler to say so; a test compares them."""
LEAST = 1e-12
"""As ``offline.datasets.shares`` has it: an action that changes a return by less is rounding."""

_ACTIONS = "'split', 'stock_dividend', 'dividend', 'spin_off', 'merger', 'symbol_change'"
_FOREVER_NS = (1 << 63) - 1
_SERIES = "PARTITION BY symbol_id, tf ORDER BY ts"


def signal_outcomes(database: str, events_once: str, zones: Sequence[str], signals: Table) -> str:
    """Return the SELECT of each signal with what the bars say became of it at its horizon.

    The horizon is so many later bars of symbol and timeframe; null until that bar is there, and where a label is void:
    it takes twice its bars or more with the market open, the market shuts before it (daily bars aside), or a split or
    dividend over it was not known in time.

    Parameters
    ----------
    events_once
        SELECT of each event once.
    zones
        Time zones of the exchanges in the table ``instruments``.
    """
    fields = ", ".join(f"s.`{c.name}` AS `{c.name}`" for c in signals.columns if c.path)
    numbered = _numbered(database, events_once, zones)
    # A bar by activity has no length on the clock, hence no limit.
    limit = f"{STRETCH_MAX} * s.horizon_bars * {_of_timeframe('s.tf', 1 << 60)}"
    known = (
        f"isNotNull(o.end) AND o.open_ns - b.open_ns < {limit} AND o.shut_ns = b.shut_ns AND o.surprises = b.surprises"
    )
    realized = f"if({known}, log(o.close / b.c) + o.held - b.held, NULL)"
    return (
        f"SELECT {fields}, if({known}, o.end, NULL) AS outcome_ts, b.c AS close, {realized} AS realized_return, "
        f"if(s.score = 0, NULL, sign(s.score) * {realized}) AS gain, "
        f"if(s.score = 0, NULL, (s.score > 0) = ({realized} > 0)) AS hit, "
        f"({realized} >= s.interval_lo) AND ({realized} <= s.interval_hi) AS covered "
        f"FROM `{database}`.signals AS s INNER JOIN ({numbered}) AS b "
        "ON s.symbol_id = b.symbol_id AND s.tf = b.tf AND s.ts = b.ts "
        "LEFT JOIN (SELECT symbol_id, tf, place, toNullable(ts) AS end, toNullable(c) AS close, open_ns, shut_ns, "
        f"held, surprises FROM ({numbered})) AS o "
        "ON b.symbol_id = o.symbol_id AND b.tf = o.tf AND b.place + toUInt64(s.horizon_bars) = o.place"
    )


def _numbered(database: str, events_once: str, zones: Sequence[str]) -> str:
    """Return the SELECT of each bar with its place, and what has passed since the first bar of its series.

    ``open_ns`` and ``shut_ns`` of the market's time, ``held`` of the log return that a holder has beside the price,
    ``surprises`` of actions that were not known in time.
    """
    clocked = _clocked(database)
    return (
        f"SELECT symbol_id, tf, ts, c, place, sum(passed_ns) OVER ({_SERIES}) AS open_ns, "
        f"sum(wall_ns - passed_ns) OVER ({_SERIES}) AS shut_ns, sum(step) OVER ({_SERIES}) AS held, "
        f"sum(surprise) OVER ({_SERIES}) AS surprises FROM ("
        "SELECT r.symbol_id AS symbol_id, r.tf AS tf, r.ts AS ts, r.c AS c, r.place AS place, r.wall_ns AS wall_ns, "
        "r.passed_ns AS passed_ns, k.step AS step, k.surprise AS surprise "
        f"FROM ({clocked}) AS r LEFT JOIN ({_stepped(database, clocked, events_once, zones)}) AS k "
        "ON r.symbol_id = k.symbol_id AND r.tf = k.tf AND r.ts = k.ts)"
    )


def _clocked(database: str) -> str:
    """Return the SELECT of each bar of scored series: from the bar before, all the time and that of an open market.

    From one bar to the next at least a bar passes, or all the time there is, whatever the calendar says. A symbol that
    is no instrument has a market that never shuts; of daily bars sessions are counted, and no hours are shut.
    """
    closes = (
        f"SELECT b.symbol_id AS symbol_id, b.tf AS tf, b.ts AS ts, argMax(b.c, b.revision) AS c FROM `{database}`.bars "
        f"AS b WHERE (b.symbol_id, b.tf) IN (SELECT symbol_id, tf FROM `{database}`.signals) "
        "GROUP BY b.symbol_id, b.tf, b.ts"
    )
    of_calendar = (
        "SELECT c.symbol_id AS symbol_id, c.tf AS tf, c.ts AS ts, c.c AS c, i.calendar AS calendar "
        f"FROM ({closes}) AS c LEFT JOIN `{database}`.instruments AS i ON c.symbol_id = i.symbol_id"
    )
    # Before the first session all columns of one are 0.
    ts, opened, closed, session_closed = (
        f"toUnixTimestamp64Nano({name})" for name in ("m.ts", "s.open_ts", "s.close_ts", "s.session_close_ts")
    )
    timed = (
        f"SELECT m.symbol_id AS symbol_id, m.tf AS tf, m.ts AS ts, m.c AS c, m.calendar AS calendar, {ts} AS at_ns, "
        f"s.open_before_ns + least({ts}, {closed}) - {opened} AS open_ns, "
        f"s.sessions_before + ({opened} > 0 AND {ts} >= {session_closed}) AS sessions "
        f"FROM ({of_calendar}) AS m ASOF LEFT JOIN `{database}`.sessions AS s "
        "ON m.calendar = s.calendar AND m.ts >= s.open_ts"
    )
    before = ", ".join(f"lagInFrame({name}) OVER ({_SERIES}) AS previous_{name}" for name in ("at_ns", "open_ns", "c"))
    follows = (
        f"SELECT *, row_number() OVER ({_SERIES}) AS place, {before}, "
        f"toInt64(lagInFrame(sessions) OVER ({_SERIES})) AS previous_sessions FROM ({timed})"
    )
    length, wall = _of_timeframe("tf", 0), "at_ns - previous_at_ns"
    passed = (
        f"multiIf(place = 1 OR {length} = 0, 0, calendar = '', {wall}, "
        f"tf = '{SESSION}', greatest(toInt64(sessions) - previous_sessions, 1) * {length}, "
        f"greatest(open_ns - previous_open_ns, least({wall}, {length})))"
    )
    return (
        f"SELECT symbol_id, tf, ts, c, at_ns, place, previous_c, {passed} AS passed_ns, "
        f"if(place = 1 OR {length} = 0 OR tf = '{SESSION}', passed_ns, {wall}) AS wall_ns FROM ({follows})"
    )


def _stepped(database: str, clocked: str, events_once: str, zones: Sequence[str]) -> str:
    """Return the SELECT of the bars at which actions took effect: their step of a log return, and whether known.

    An action takes effect at the first bar that ends after midnight of its ex-date. The step is that of the revisions
    which stood when the bar ended; where those that stand now say another, the bar is a surprise.
    """
    series = f"SELECT DISTINCT symbol_id, tf FROM `{database}`.signals"
    told = (
        "SELECT r.symbol_id AS symbol_id, t.tf AS tf, r.begins_ns AS begins_ns, r.known_ns AS known_ns, "
        "r.until_ns AS until_ns, r.paid AS paid, r.shares AS shares "
        f"FROM ({_revisions(events_once, database, zones)}) AS r INNER JOIN ({series}) AS t "
        "ON r.symbol_id = t.symbol_id"
    )
    concerned = f"SELECT symbol_id FROM `{database}`.events WHERE type IN ({_ACTIONS})"
    # What pays out more than the share was worth is no dividend: it voids what runs over it.
    effects = (
        "SELECT n.symbol_id AS symbol_id, n.tf AS tf, b.ts AS ts, b.at_ns AS at_ns, n.known_ns AS known_ns, "
        "n.until_ns AS until_ns, (1 - n.paid / b.previous_c) / n.shares AS factor "
        f"FROM ({told}) AS n ASOF INNER JOIN (SELECT * FROM ({clocked}) WHERE symbol_id IN ({concerned})) AS b "
        "ON n.symbol_id = b.symbol_id AND n.tf = b.tf AND n.begins_ns < b.at_ns WHERE b.place > 1"
    )
    step = "-if(factor > 0, log(factor), 0)"
    return (
        f"SELECT symbol_id, tf, ts, sumIf({step}, known_ns <= at_ns AND at_ns < until_ns) AS step, "
        f"countIf(factor <= 0) > 0 OR abs(sumIf({step}, until_ns = {_FOREVER_NS}) - step) > {LEAST} AS surprise "
        f"FROM ({effects}) GROUP BY symbol_id, tf, ts"
    )


def _revisions(events_once: str, database: str, zones: Sequence[str]) -> str:
    """Return the SELECT of every revision of an action: from when on it is in force, known from when to when."""
    said = (
        "SELECT e.symbol_id AS symbol_id, e.event_id AS event_id, toUnixTimestamp64Nano(e.ts_known) AS known_ns, "
        "argMin(e.type, e.name) AS kind, argMin(e.ts_event, e.name) AS at, "
        "maxIf(ifNull(e.value, 0), e.name = 'amount') AS amount, maxIf(ifNull(e.value, 0), e.name = 'ratio') AS ratio, "
        "max(isNotNull(e.value) OR e.text != '') AS stands "
        f"FROM ({events_once}) AS e WHERE e.type IN ({_ACTIONS}) GROUP BY e.symbol_id, e.event_id, e.ts_known"
    )
    # What was said last of an action replaces all that was said before, also where it was called off.
    spans = (
        f"SELECT *, leadInFrame(known_ns, 1, toInt64({_FOREVER_NS})) OVER (PARTITION BY symbol_id, event_id "
        "ORDER BY known_ns ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS until_ns "
        f"FROM ({said})"
    )
    midnights = "".join(f"i.zone = '{zone}', toUnixTimestamp(toStartOfDay(toTimeZone(r.at, '{zone}'))), "
                        for zone in zones)  # fmt: skip
    return (
        "SELECT r.symbol_id AS symbol_id, r.known_ns AS known_ns, r.until_ns AS until_ns, "
        f"toInt64(multiIf({midnights}false, 0, toUnixTimestamp(toStartOfDay(r.at)))) * 1000000000 AS begins_ns, "
        "if(r.kind IN ('dividend', 'spin_off'), r.amount, 0) AS paid, "
        "multiIf(r.kind = 'split', r.ratio, r.kind = 'stock_dividend', 1 + r.ratio, 1) AS shares "
        f"FROM ({spans}) AS r INNER JOIN `{database}`.instruments AS i ON r.symbol_id = i.symbol_id "
        "WHERE r.stands AND shares > 0 AND (paid > 0 OR shares != 1)"
    )


def _of_timeframe(name: str, otherwise: int) -> str:
    """Return the length of a timeframe in nanoseconds."""
    names, lengths = ", ".join(f"'{tf}'" for tf in TIMEFRAME_NS), ", ".join(map(str, TIMEFRAME_NS.values()))
    return f"toInt64(transform({name}, [{names}], [{lengths}], {otherwise}))"
