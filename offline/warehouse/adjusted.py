"""Prices adjusted for corporate actions in SQL, as known at a time, in either convention.

SELECT * FROM corporate_factors(as_of = '2014-07-01T00:00:00Z', convention = 'previous_close')
SELECT ts, c, c_raw FROM ohlcv_adjusted(as_of = '2014-07-01', convention = 'ex_close') WHERE symbol_id = 'AIG:US'

The arithmetic is that of ``processors.reference.actions``, which says what the conventions are; a test compares them.
Announcements are the table ``events``; reference closes are the newest revisions of the daily bars that had ended by
then. A revision of a bar that came after ``as_of`` is not told apart: the table does not have its time of knowledge.
"""

# ruff: noqa: S608 - every name in a statement comes from our schemas, no value from outside

from offline.warehouse.tables import Table

# Text, since a parameter of a time's type takes no zone behind it, no Z either. It is parsed once, before the rows are
# read: the index is used as for a time. To the nanosecond; UTC where no zone is named.
AS_OF = "parseDateTime64BestEffort({as_of:String}, 9, 'UTC')"
_CONVENTION = "{convention:String}"
_TYPES = "'split', 'stock_dividend', 'dividend', 'spin_off'"
# The ex-date begins at midnight: trade before the open is in new shares. Elsewhere than in the United States the event
# itself is the beginning.
_BEGINS = (
    "if(endsWith(e.symbol_id, ':US'), toDateTime64(toStartOfDay(toTimeZone(e.ts_event, 'America/New_York')), 9, 'UTC'),"
    " e.ts_event)"
)
_REFERENCED = (
    "symbol_id", "event_id", "kind", "ex", "announced", "paid", "shares", "previous_ts", "previous_close",
)  # fmt: skip
_PRICES = ("o", "h", "l", "c", "vwap", "bid", "ask")


def corporate_factors(database: str, price: str = "price_factor", shares: str = "share_factor") -> str:
    """Return the SELECT of every factor that was known: of its symbol, from when on, announced and known when.

    A price before ``ex`` is multiplied by ``price_factor``, a volume by ``share_factor``. A query around it that has
    columns of these names needs others here: in ClickHouse an alias is seen in subqueries too, so names are qualified.
    """
    # What was said last of an action replaces all that was said before; records in every partition are one.
    newest = (
        f"SELECT symbol_id, event_id, max(ts_known) AS known FROM `{database}`.events "
        f"WHERE type IN ({_TYPES}) AND ts_known <= {AS_OF} GROUP BY symbol_id, event_id"
    )
    actions = (
        f"SELECT e.symbol_id AS symbol_id, e.event_id AS event_id, any(e.type) AS kind, max({_BEGINS}) AS ex, "
        "any(n.known) AS announced, "
        "maxIf(ifNull(e.value, 0), e.name = 'amount') AS amount, maxIf(ifNull(e.value, 0), e.name = 'ratio') AS ratio "
        f"FROM `{database}`.events AS e INNER JOIN ({newest}) AS n "
        "ON e.symbol_id = n.symbol_id AND e.event_id = n.event_id AND e.ts_known = n.known "
        f"WHERE e.type IN ({_TYPES}) GROUP BY e.symbol_id, e.event_id HAVING amount > 0 OR ratio > 0"
    )
    daily = (
        f"SELECT b.symbol_id AS symbol_id, b.ts AS ts, argMax(b.c, b.revision) AS close FROM `{database}`.bars AS b "
        f"WHERE b.tf = '1d' AND b.ts <= {AS_OF} GROUP BY b.symbol_id, b.ts"
    )
    last = (
        f"SELECT b.symbol_id AS symbol_id, max(b.ts) AS seen FROM `{database}`.bars AS b "
        f"WHERE b.ts <= {AS_OF} GROUP BY b.symbol_id"
    )
    referenced = (
        "SELECT a.symbol_id AS symbol_id, a.event_id AS event_id, a.kind AS kind, a.ex AS ex, "
        "a.announced AS announced, "
        "if(a.kind IN ('dividend', 'spin_off'), a.amount, 0) AS paid, "
        "multiIf(a.kind = 'split', a.ratio, a.kind = 'stock_dividend', 1 + a.ratio, 1) AS shares, "
        "p.ts AS previous_ts, p.close AS previous_close FROM "
        f"({actions}) AS a ASOF INNER JOIN ({daily}) AS p ON a.symbol_id = p.symbol_id AND a.ex >= p.ts"
    )
    by_convention = (
        f"SELECT {', '.join(f'r.{name} AS {name}' for name in _REFERENCED)}, "
        "x.ts AS ex_ts, x.close AS ex_close, newest.seen AS seen FROM "
        f"({referenced}) AS r ASOF LEFT JOIN ({daily}) AS x ON r.symbol_id = x.symbol_id AND r.ex < x.ts "
        f"LEFT JOIN ({last}) AS newest ON r.symbol_id = newest.symbol_id"
    )
    return (
        "SELECT symbol_id, event_id, kind, ex, announced, "
        f"if({_CONVENTION} = 'ex_close', if(paid = 0, 1, ex_close / (ex_close + paid)), "
        f"if(paid = 0, 1, 1 - paid / previous_close)) / shares AS {price}, shares AS {shares}, "
        f"greatest(announced, if({_CONVENTION} = 'ex_close', ex_ts, previous_ts)) AS known FROM ({by_convention}) "
        f"WHERE throwIf({_CONVENTION} NOT IN ('ex_close', 'previous_close'), "
        "'convention is ex_close or previous_close') = 0 "
        f"AND if({_CONVENTION} = 'ex_close', ex_ts > ex, seen > ex)"
    )


def ohlcv_adjusted(database: str, bars: Table) -> str:
    """Return the SELECT of the bars known at a time in shares and money of the last of them, with their factors."""
    latest = ", ".join(
        f"argMax(tuple(b.`{name}`), b.revision).1 AS `{name}`"
        for name in (column.name for column in bars.columns if column.path)
        if name not in {"symbol_id", "tf", "ts", "revision"}
    )
    rows = (
        f"SELECT b.symbol_id AS symbol_id, b.tf AS tf, b.ts AS ts, {latest} FROM `{database}`.bars AS b "
        f"WHERE b.ts <= {AS_OF} GROUP BY b.symbol_id, b.tf, b.ts"
    )
    # Two actions of one day are one step; the product runs from the last day back.
    steps = (
        "SELECT symbol_id, ex, sum(log(p)) AS log_price, sum(log(s)) AS log_shares "
        f"FROM ({corporate_factors(database, 'p', 's')}) GROUP BY symbol_id, ex"
    )
    window = "OVER (PARTITION BY symbol_id ORDER BY ex DESC)"
    products = (
        f"SELECT symbol_id, ex, exp(sum(log_price) {window}) AS of_price, exp(sum(log_shares) {window}) AS of_shares "
        f"FROM ({steps})"
    )
    price, shares = "if(k.of_price = 0, 1, k.of_price)", "if(k.of_shares = 0, 1, k.of_shares)"
    adjusted = ", ".join([*(f"bar.`{name}` * {price} AS `{name}`" for name in _PRICES), f"bar.v * {shares} AS v"])
    return (
        f"SELECT bar.symbol_id AS symbol_id, bar.tf AS tf, bar.ts AS ts, {adjusted}, bar.c AS c_raw, bar.v AS v_raw, "
        f"{price} AS price_factor, {shares} AS share_factor "
        f"FROM ({rows}) AS bar ASOF LEFT JOIN ({products}) AS k ON bar.symbol_id = k.symbol_id AND bar.ts <= k.ex"
    )
