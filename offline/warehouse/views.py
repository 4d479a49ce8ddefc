"""The views an analyst starts from.

SELECT * FROM ohlcv WHERE symbol_id = 'EURUSD:FX' AND tf = '1m' ORDER BY ts
SELECT * FROM gold_asof(as_of = '2014-05-02T12:30:00Z')
SELECT gate, count() FROM signal_gates GROUP BY gate
SELECT tf, avg(hit), avg(covered) FROM signal_outcomes GROUP BY tf
SELECT * FROM freshness_now WHERE state != 'fresh'
SELECT type, count() FROM events_once GROUP BY type
SELECT * FROM ohlcv_adjusted(as_of = '2014-07-01', convention = 'ex_close') WHERE symbol_id = 'AAPL:US' AND tf = '1d'
"""

# ruff: noqa: S608 - every name in a statement comes from our schemas, no value from outside

import hashlib

from offline.warehouse.adjusted import AS_OF, corporate_factors, ohlcv_adjusted
from offline.warehouse.analyst import bars_gold, ohlcv_resampled
from offline.warehouse.calendars import zones
from offline.warehouse.outcomes import signal_outcomes
from offline.warehouse.tables import Table

_KEY = ("symbol_id", "tf", "ts")


def view_ddl(database: str, by_name: dict[str, Table]) -> dict[str, tuple[str, str]]:
    """Return view -> its version and its CREATE OR REPLACE VIEW, which keeps the version as the view's comment.

    Parameters
    ----------
    by_name
        The tables by their names.
    """
    bars, events = _ohlcv(database, by_name["bars"]), _events_once(database, by_name["events"])
    return dict([
        _view(database, "ohlcv", bars),
        _view(database, "ohlcv_resampled", ohlcv_resampled(bars)),
        _view(database, "bars_gold", bars_gold(database, bars, by_name["gold"])),
        _view(database, "signal_outcomes", signal_outcomes(database, events, zones(), by_name["signals"])),
        _view(database, "gold_asof", _gold_asof(database, by_name["gold"])),
        _view(database, "signal_gates", _signal_gates(database, by_name["signals"])),
        _view(database, "freshness_now", _freshness_now(database, by_name["freshness"])),
        _view(database, "events_once", events),
        _view(database, "corporate_factors", corporate_factors(database)),
        _view(database, "ohlcv_adjusted", ohlcv_adjusted(database, by_name["bars"])),
    ])  # fmt: skip


def _view(database: str, name: str, select: str) -> tuple[str, tuple[str, str]]:
    version = hashlib.sha256(select.encode()).hexdigest()[:16]
    return name, (version, f"CREATE OR REPLACE VIEW `{database}`.`{name}` AS {select} COMMENT '{version}'")


def _fields(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.path]


def _ohlcv(database: str, bars: Table) -> str:
    """Latest revision of each bar. By GROUP BY, since a filter on the key then reaches the table's index."""
    # In a tuple, since argMax passes over nulls: a revision without a bid has no bid, not the older one's.
    latest = [
        f"argMax(tuple(b.`{name}`), b.revision).1 AS `{name}`"
        for name in _fields(bars)
        if name not in {*_KEY, "revision"}
    ]
    return (
        f"SELECT b.symbol_id AS symbol_id, b.tf AS tf, b.ts AS ts, {', '.join(latest)}, max(b.revision) AS revision "
        f"FROM `{database}`.bars AS b GROUP BY b.symbol_id, b.tf, b.ts"
    )


def _gold_asof(database: str, gold: Table) -> str:
    """Newest gold row of each instrument and timeframe that was known at a time, never one from after it."""
    fields = ", ".join(f"`{name}`" for name in _fields(gold))
    return (
        f"SELECT {fields} FROM `{database}`.gold WHERE ts <= {AS_OF} "
        "ORDER BY symbol_id, tf, ts DESC, _offset DESC LIMIT 1 BY symbol_id, tf"
    )


def _signal_gates(database: str, signals: Table) -> str:
    """One row a signal and gate; a signal without a gate once, with an empty gate."""
    fields = ", ".join(f"`{name}`" for name in _fields(signals) if name != "gates")
    return f"SELECT {fields}, gate FROM `{database}`.signals LEFT ARRAY JOIN gates AS gate"


def _freshness_now(database: str, freshness: Table) -> str:
    """Newest state of each source and timeframe."""
    fields = ", ".join(f"`{name}`" for name in _fields(freshness))
    return (
        f"SELECT {fields} FROM `{database}`.freshness "
        "ORDER BY symbol_id, source, tf, ts DESC, _offset DESC LIMIT 1 BY symbol_id, source, tf"
    )


def _events_once(database: str, events: Table) -> str:
    """One row for each time that a fact was told: what is market-wide stands once in each partition of the topic.

    A record's key is event_id, name and ts_known; of several under one key the last published counts, as in the topic.
    Revisions of a fact have times of knowledge of their own, so all of them stay. By GROUP BY, as ``ohlcv``.
    """
    key = ("symbol_id", "event_id", "name", "ts_known")
    fields = ", ".join(
        f"e.`{name}` AS `{name}`"
        if name in key
        else f"argMax(tuple(e.`{name}`), (e._published, e._offset)).1 AS `{name}`"
        for name in _fields(events)
    )
    return f"SELECT {fields} FROM `{database}`.events AS e GROUP BY {', '.join(f'e.{name}' for name in key)}"
