"""History: gold rows and those of the cross-section in ClickHouse.

Whoever has it: a server, the process that owns an embedded one, or this one.
"""

# ruff: noqa: S608 - names come from our schemas, and values are quoted here

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa

from offline.features.packs import QUALITY, PackView
from offline.features.rows import Rows
from offline.features.table_rows import rows_of
from offline.warehouse.ask import ask
from offline.warehouse.client import DATABASE
from offline.warehouse.engine import Engine, QueryError
from processors.errors import ConfigError, PlatformError, RetryableError

AskArrow = Callable[[str], pa.Table]

_SETTINGS = {
    "output_format_arrow_string_as_string": "1",
    "output_format_arrow_low_cardinality_as_dictionary": "0",
    "output_format_arrow_compression_method": "none",
    "limit": "0",
}
_UNKNOWN_TABLE, _UNKNOWN_DATABASE, _UNKNOWN_IDENTIFIER = 60, 81, 47


def at_address(url: str) -> AskArrow:
    """Return how to ask a ClickHouse server, or the process that owns an embedded one.

    Parameters
    ----------
    url
        "clickhouse://user:password@host:port/database", or http, or https.
    """
    database = urlsplit(url).path.strip("/") or DATABASE
    return lambda sql: _table(lambda: ask(url, sql, "ArrowStream", database=database, settings=_SETTINGS).body)


def at_path(path: Path) -> AskArrow:
    """Return how to ask an embedded ClickHouse that nobody has open: each question opens it.

    Parameters
    ----------
    path
        Its folder; where nothing was ever stored, there is nothing to ask.
    """

    def answer(sql: str) -> pa.Table:
        def body() -> bytes:
            with Engine(path) as engine:
                return engine.ask(sql, "ArrowStream", database=DATABASE, settings=_SETTINGS).body

        if not (path / "store").is_dir():
            raise ConfigError(str(path), "warehouse", "empty", "fill it with `mps sink`, or name another one")
        return _table(body)

    return answer


def _table(body: Callable[[], bytes]) -> pa.Table:
    try:
        return pa.ipc.open_stream(body()).read_all()
    except QueryError as e:
        if e.code in (_UNKNOWN_TABLE, _UNKNOWN_DATABASE):
            raise ConfigError("ClickHouse", "tables", "missing", "fill the warehouse with `mps sink`") from e
        if e.code == _UNKNOWN_IDENTIFIER:
            raise ConfigError("ClickHouse", "columns", str(e), "run `mps sink` once: it adds new columns") from e
        raise PlatformError(f"ClickHouse: {e}") from e
    except RetryableError as e:
        raise RetryableError(f"ClickHouse: {e}") from e


def quoted(text: str) -> str:
    """Return a text as a literal of ClickHouse."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def at_ns(ts_ns: int) -> str:
    """Return a time as an expression of ClickHouse."""
    return f"fromUnixTimestamp64Nano(toInt64({ts_ns}), 'UTC')"


class ClickHouseRows:
    """Reader of the tables of ``sources``.

    Parameters
    ----------
    asking
        From ``at_address`` or ``at_path``.
    """

    name = "ClickHouse"

    def __init__(self, asking: AskArrow) -> None:
        self._ask = asking

    def newest(self, symbols: Sequence[str], tf: str, as_of_ns: int | None, n: int, pack: PackView) -> Rows:
        """Return the newest rows; see ``FeatureStore``."""
        if not symbols:
            return Rows.none(len(pack.names))
        found = self._ask(_newest_sql(symbols, tf, as_of_ns, n, pack))
        return rows_of(found, symbols, pack, "features_")


def _newest_sql(symbols: Sequence[str], tf: str, as_of_ns: int | None, n: int, pack: PackView) -> str:
    among = ", ".join(quoted(s) for s in symbols)
    until = "" if as_of_ns is None else f" AND ts <= {at_ns(as_of_ns)}"
    source = pack.source
    # Rows of version 1 name their one pack by its hash alone, or not at all.
    unnamed = (
        f"pack_hash = {quoted(pack.hash)}"
        if not source.unnamed_pack_id
        else ("true" if pack.pack_id == source.unnamed_pack_id else "false")
    )
    has_pack = f"(has(packs, {quoted(pack.ref)}) OR (empty(packs) AND {unnamed}))"
    where = f"tf = {quoted(tf)} AND symbol_id IN ({among}){until} AND {has_pack}"
    # The places of the rows first, from four narrow columns; then the hundreds of wide ones of those rows only. Of two
    # records of one time, the last one in the log.
    places = (
        f"SELECT symbol_id, ts, max(_offset) AS _offset FROM {source.kind} "
        f"WHERE {where} GROUP BY symbol_id, ts ORDER BY symbol_id, ts DESC LIMIT {n} BY symbol_id"
    )
    quality = (source.quality.get(q, "").replace(".", "_") or "CAST(NULL AS Nullable(Float64))" for q in QUALITY)
    columns = ", ".join(
        ["symbol_id", "ts", *([source.waited] if source.waited else []),
         *(f"{column} AS quality_{q}" for q, column in zip(QUALITY, quality, strict=True)),
         *(f"features_{name}" for name in pack.names)]
    )  # fmt: skip
    return (
        f"SELECT {columns} FROM {source.kind} WHERE tf = {quoted(tf)} AND (symbol_id, ts, _offset) IN "
        f"(SELECT symbol_id, ts, _offset FROM ({places})) ORDER BY symbol_id, ts"
    )
