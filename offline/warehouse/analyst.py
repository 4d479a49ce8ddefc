"""Views for research: resampled bars, and gold rows joined as of a time.

SELECT * FROM ohlcv_resampled(minutes = 30) WHERE symbol_id = 'EURUSD:FX' AND complete ORDER BY ts
SELECT ts, c, gold_ts, regime_label FROM bars_gold(tf = '1m', gold_tf = '1h') WHERE symbol_id = 'EURUSD:FX'
"""

# ruff: noqa: S608 - every name in a statement comes from our schemas, no value from outside

from offline.warehouse.tables import Table
from schemas.timeframes import MINUTE_NS


def ohlcv_resampled(ohlcv: str) -> str:
    """Return the SELECT of bars of any number of minutes, made of the latest revisions of one-minute bars.

    Equal to the platform's own bars of that length where every minute is there (``complete``): open, high, low, close,
    volume and count exactly, the mean price to rounding. A minute without a tick has no bar, so an incomplete one may
    be equal too. Intervals are multiples in UTC; a session's day is ``tf = '1d'`` of the view ``ohlcv``.
    """
    length = f"(toInt64({{minutes:UInt32}}) * {MINUTE_NS})"
    end = f"fromUnixTimestamp64Nano(intDiv(toUnixTimestamp64Nano(m.ts) - 1, {length}) * {length} + {length}, 'UTC')"
    return (
        "SELECT symbol_id, end AS ts, argMin(open, minute) AS o, max(high) AS h, min(low) AS l, "
        "argMax(close, minute) AS c, sum(size) AS v, "
        # Where no sizes exist, the mean of the prices, as the bar stage has it.
        "if(v > 0, sum(size * mean) / v, sum(mean * trades) / sum(trades)) AS vwap, sum(trades) AS n_trades, "
        "argMax(tuple(last_bid), minute).1 AS bid, argMax(tuple(last_ask), minute).1 AS ask, "
        "count() AS minutes_there, minutes_there = {minutes:UInt32} AS complete FROM ("
        f"SELECT m.symbol_id AS symbol_id, {end} AS end, m.ts AS minute, m.o AS open, m.h AS high, m.l AS low, "
        "m.c AS close, m.v AS size, m.vwap AS mean, m.n_trades AS trades, m.bid AS last_bid, m.ask AS last_ask "
        # A bar that lost all its trades to corrections has the prices that it had, and none now.
        f"FROM ({ohlcv}) AS m WHERE m.tf = '1m' AND m.n_trades > 0) GROUP BY symbol_id, end"
    )


def bars_gold(database: str, ohlcv: str, gold: Table) -> str:
    """Return the SELECT of each bar with the newest gold row of another timeframe that had ended by then.

    By the ends of their bars, never one from after it. Bars before the first gold row are left out: an empty feature
    must not look like one of value 0.
    """
    fields = [c.name for c in gold.columns if c.path and c.name not in {"symbol_id", "tf", "ts"}]
    chosen = ", ".join(f"g.`{name}` AS `{name}`" for name in fields)
    return (
        "SELECT b.symbol_id AS symbol_id, b.tf AS tf, b.ts AS ts, b.o AS o, b.h AS h, b.l AS l, b.c AS c, b.v AS v, "
        f"g.tf AS gold_tf, g.ts AS gold_ts, {chosen} "
        f"FROM (SELECT * FROM ({ohlcv}) WHERE tf = {{tf:String}}) AS b "
        # Of two records of one time the last one in the log, as training reads them.
        f"ASOF INNER JOIN (SELECT * FROM `{database}`.gold WHERE tf = {{gold_tf:String}} "
        "ORDER BY symbol_id, ts, _offset DESC LIMIT 1 BY symbol_id, ts) AS g "
        "ON b.symbol_id = g.symbol_id AND b.ts >= g.ts"
    )
