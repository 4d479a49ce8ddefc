"""The views an analyst starts from.

SELECT * FROM ohlcv WHERE symbol_id = 'EURUSD:FX' AND tf = '1m' ORDER BY ts
SELECT * FROM gold_asof(as_of = '2014-05-02 12:30:00')
SELECT gate, count() FROM signal_gates GROUP BY gate
SELECT * FROM freshness_now WHERE state != 'fresh'
"""

# ruff: noqa: S608 - every name in a statement comes from our schemas, no value from outside

import hashlib

from offline.warehouse.tables import Table

_KEY = ("symbol_id", "tf", "ts")


def view_ddl(database: str, by_name: dict[str, Table]) -> dict[str, tuple[str, str]]:
    """Return view -> its version and its CREATE OR REPLACE VIEW, which keeps the version as the view's comment.

    Parameters
    ----------
    by_name
        The tables by their names.
    """
    return dict([
        _view(database, "ohlcv", _ohlcv(database, by_name["bars"])),
        _view(database, "gold_asof", _gold_asof(database, by_name["gold"])),
        _view(database, "signal_gates", _signal_gates(database, by_name["signals"])),
        _view(database, "freshness_now", _freshness_now(database, by_name["freshness"])),
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
        f"SELECT {fields} FROM `{database}`.gold WHERE ts <= {{as_of:DateTime64(9, 'UTC')}} "
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
