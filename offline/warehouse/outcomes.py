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
_SERIES = "PARTITION BY symbol_id, tf, horizon_bars ORDER BY ts"


def signal_outcomes(database: str, events_once: str, zones: Sequence[str], signals: Table) -> str:
    """Return the SELECT of each signal with what the bars say became of it at its horizon.

    The horizon is so many later bars of symbol and timeframe; null until that bar is there, and where a label is void:
    it takes twice its bars or more with the market open, the market shuts before it (daily bars aside), or a split or
    dividend over it was not known in time. A price that has not moved is neither hit nor miss.

    Parameters
    ----------
    events_once
        SELECT of each event once.
    zones
        Time zones of the exchanges in the table ``instruments``.
    """
    names = [c.name for c in signals.columns if c.path]
    fields = ", ".join(f"s.`{name}` AS `{name}`" for name in names)
    # A bar by activity has no length on the clock, hence no limit.
    limit = f"{STRETCH_MAX} * s.horizon_bars * if(b.length_ns = 0, {1 << 60}, b.length_ns)"
    never_shut = "b.end_open_ns - b.open_ns = toUnixTimestamp64Nano(assumeNotNull(b.end_ts)) - b.at_ns"
    known = (
        f"isNotNull(b.end_ts) AND b.end_open_ns - b.open_ns < {limit} "
        f"AND (b.by_session OR b.length_ns = 0 OR {never_shut}) AND b.end_surprises = b.surprises"
    )
    became = (
        f"SELECT {fields}, b.c AS close, if({known}, b.end_ts, NULL) AS outcome_ts, "
        "log(b.end_c / b.c) + b.end_held - b.held AS moved "
        f"FROM ({_ended(database, events_once, zones)}) AS b INNER JOIN `{database}`.signals AS s "
        "ON b.symbol_id = s.symbol_id AND b.tf = s.tf AND b.ts = s.ts AND b.horizon_bars = s.horizon_bars"
    )
    realized = f"SELECT *, if(isNull(outcome_ts), NULL, moved) AS realized_return FROM ({became})"
    return (
        f"SELECT {', '.join(f'`{name}`' for name in names)}, outcome_ts, close, realized_return, "
        "if(score = 0, NULL, sign(score) * realized_return) AS gain, "
        "if(score = 0 OR realized_return = 0, NULL, (score > 0) = (realized_return > 0)) AS hit, "
        f"(realized_return >= interval_lo) AND (realized_return <= interval_hi) AS covered FROM ({realized})"
    )


def _ended(database: str, events_once: str, zones: Sequence[str]) -> str:
    """Return the SELECT of each bar with the bar at the end of its horizon, and what has passed up to either.

    ``open_ns`` of the market's time, ``held`` of the log return that a holder has beside the price, ``surprises`` of
    actions that were not known in time: each since some bar before.
    """
    wall = "at_ns - lagInFrame(at_ns, 1, at_ns) OVER w"
    passed = (
        "greatest(clock_ns - lagInFrame(clock_ns, 1, clock_ns) OVER w, "
        f"if(by_session, length_ns, least({wall}, length_ns)))"
    )
    window = f"WINDOW w AS ({_SERIES})"
    own = "symbol_id, tf, horizon_bars, ts, c, at_ns, length_ns, by_session"
    clocked = _clocked(database, events_once, zones)
    bars = f"SELECT {own}, step, surprise, {passed} AS passed_ns FROM ({clocked}) {window}"
    summed = (
        f"SELECT {own}, sum(passed_ns) OVER w AS open_ns, sum(step) OVER w AS held, sum(surprise) OVER w AS surprises "
        f"FROM ({bars}) {window}"
    )
    # A horizon of nothing or less has no outcome: nothing is below its limit.
    later = ", ".join(
        f"leadInFrame({value}, greatest(horizon_bars, 0)) OVER w AS end_{name}"
        for name, value in (("ts", "toNullable(ts)"), *((n, n) for n in ("c", "open_ns", "held", "surprises")))
    )
    return (
        f"SELECT {own}, open_ns, held, surprises, {later} FROM ({summed}) "
        f"WINDOW w AS ({_SERIES} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
    )


def _clocked(database: str, events_once: str, zones: Sequence[str]) -> str:
    """Return the SELECT of the bars of scored series: the market's clock at each, and the effects of actions.

    The clock counts hours open; of daily bars sessions, each of the length of a bar; of a symbol that is no instrument
    all the time, since its market never shuts. From one bar to the next at least a bar passes, or all the time there
    is, whatever the calendar says.
    """
    # Before the first session all columns of one are 0.
    at, opened, closed, session_closed = (
        f"toUnixTimestamp64Nano({name})" for name in ("m.ts", "s.open_ts", "s.close_ts", "s.session_close_ts")
    )
    clock = (
        f"multiIf(m.length_ns = 0, 0, m.calendar = '', {at}, m.tf = '{SESSION}', "
        f"(s.sessions_before + ({opened} > 0 AND {at} >= {session_closed})) * m.length_ns, "
        f"s.open_before_ns + least({at}, {closed}) - {opened})"
    )
    return (
        "SELECT m.symbol_id AS symbol_id, m.tf AS tf, m.horizon_bars AS horizon_bars, m.ts AS ts, m.c AS c, "
        f"{at} AS at_ns, m.length_ns AS length_ns, m.tf = '{SESSION}' AND m.calendar != '' AS by_session, "
        f"{clock} AS clock_ns, k.step AS step, k.surprise AS surprise "
        f"FROM ({_closes(database)}) AS m ASOF LEFT JOIN `{database}`.sessions AS s "
        "ON m.calendar = s.calendar AND m.ts >= s.open_ts "
        f"LEFT JOIN ({_effects(database, events_once, zones)}) AS k "
        "ON m.symbol_id = k.symbol_id AND m.tf = k.tf AND m.ts = k.ts"
    )


def _closes(database: str) -> str:
    """Return the SELECT of the closes from the first signal on, once for each horizon that the series' signals have."""
    scored = (
        f"SELECT symbol_id, tf, horizon_bars, min(ts) AS since, {_of_timeframe('tf', 0)} AS length_ns "
        f"FROM `{database}`.signals GROUP BY symbol_id, tf, horizon_bars"
    )
    # By IN as well as by the join: IN reaches the table's index.
    closes = (
        f"SELECT b.symbol_id AS symbol_id, b.tf AS tf, b.ts AS ts, argMax(b.c, b.revision) AS c FROM `{database}`.bars "
        f"AS b WHERE {_scored(database)} GROUP BY b.symbol_id, b.tf, b.ts"
    )
    return (
        "SELECT c.symbol_id AS symbol_id, c.tf AS tf, h.horizon_bars AS horizon_bars, c.ts AS ts, c.c AS c, "
        f"h.length_ns AS length_ns, i.calendar AS calendar FROM ({closes}) AS c INNER JOIN ({scored}) AS h "
        "ON c.symbol_id = h.symbol_id AND c.tf = h.tf "
        f"LEFT JOIN `{database}`.instruments AS i ON c.symbol_id = i.symbol_id WHERE c.ts >= h.since"
    )


def _scored(database: str) -> str:
    return f"(b.symbol_id, b.tf) IN (SELECT symbol_id, tf FROM `{database}`.signals)"


def _effects(database: str, events_once: str, zones: Sequence[str]) -> str:
    """Return the SELECT of the bars at which actions took effect: their step of a log return, and whether known.

    An action takes effect at the first bar that ends after midnight of its ex-date. The step is that of the revisions
    which stood when the bar ended; where those that stand now say another, the bar is a surprise.

        bars       | | | |     | | | | |     | | |       cut where actions begin: a stretch has the bar of its
        begins            ^             ^                effects, the one before it the close that they are paid out of
    """
    revisions = _revisions(events_once, database, zones)
    concerned = f"SELECT symbol_id FROM `{database}`.events WHERE type IN ({_ACTIONS})"
    cut = (
        "SELECT b.symbol_id AS symbol_id, b.tf AS tf, b.ts AS ts, b.c AS c, b.revision AS revision, "
        f"r.begins_ns AS begins_ns FROM `{database}`.bars AS b "
        f"ASOF LEFT JOIN (SELECT DISTINCT symbol_id, begins_ns FROM ({revisions})) AS r "
        "ON b.symbol_id = r.symbol_id AND toUnixTimestamp64Nano(b.ts) > r.begins_ns "
        f"WHERE b.symbol_id IN ({concerned}) AND {_scored(database)}"
    )
    stretches = (
        "SELECT symbol_id, tf, begins_ns, min(ts) AS first_ts, argMax(c, (ts, revision)) AS last_c "
        f"FROM ({cut}) GROUP BY symbol_id, tf, begins_ns"
    )
    follows = (
        "SELECT symbol_id, tf, begins_ns, 0 AS known_ns, 0 AS until_ns, 0 AS paid, 1 AS shares, "
        "row_number() OVER w AS place, first_ts, lagInFrame(last_c) OVER w AS previous_c "
        f"FROM ({stretches}) WINDOW w AS (PARTITION BY symbol_id, tf ORDER BY begins_ns)"
    )
    told = (
        "SELECT r.symbol_id AS symbol_id, t.tf AS tf, r.begins_ns AS begins_ns, r.known_ns AS known_ns, "
        "r.until_ns AS until_ns, r.paid AS paid, r.shares AS shares, 0 AS place, "
        "toDateTime64(0, 9, 'UTC') AS first_ts, 0 AS previous_c "
        f"FROM ({revisions}) AS r INNER JOIN (SELECT DISTINCT symbol_id, tf FROM `{database}`.signals) AS t "
        "ON r.symbol_id = t.symbol_id"
    )
    # The stretch of each action, or the next one that has a bar. Not by ASOF JOIN: no filter reaches its right side.
    met = (
        "SELECT *, argMinIf((place, first_ts, previous_c), begins_ns, place > 0) OVER "
        "(PARTITION BY symbol_id, tf ORDER BY begins_ns DESC) AS stretch "
        f"FROM ({told} UNION ALL {follows})"
    )
    # What pays out more than the share was worth is no dividend: it voids what runs over it.
    effects = (
        "SELECT symbol_id, tf, stretch.2 AS ts, toUnixTimestamp64Nano(stretch.2) AS at_ns, known_ns, until_ns, "
        f"(1 - paid / stretch.3) / shares AS factor FROM ({met}) WHERE place = 0 AND stretch.1 > 1"
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
