"""Where the parts are that features come from, as far as that is known, and the folder of back-fills."""

from pathlib import Path
from typing import TYPE_CHECKING

from deploy.local.endpoints import Endpoints, from_environment, load_endpoints
from deploy.local.paths import home
from processors.errors import ConfigError

if TYPE_CHECKING:
    from offline.features.bar_source import BarSource


def versions_folder() -> Path:
    """Return the folder of the back-filled versions."""
    return home().features


def known_endpoints() -> Endpoints:
    """Return the addresses as far as they are known: what was stored is there when nothing runs, too."""
    try:
        return load_endpoints(home())
    except ConfigError:
        return Endpoints(**{"bootstrap_servers": "", "redis_url": "", "registry_url": "", **from_environment()})


def warehouse_url() -> str | None:
    """Return the present address of ClickHouse: of the server, or of the process that owns an embedded one."""
    known = known_endpoints()
    return known.clickhouse_url or known.warehouse_url


def bars_from(files: tuple[Path, ...], symbols: list[str] | None, to_ns: int) -> "BarSource":
    """Return the bars of Parquet files, or of ClickHouse where none is named.

    Raises
    ------
    ConfigError
        There is no warehouse.
    """
    # Most that ask for an address want no bars.
    from offline.features.bar_source import ClickHouseBars, ParquetBars
    from offline.features.clickhouse_rows import at_address, at_path

    if files:
        return ParquetBars(files, symbols, to_ns)
    url = warehouse_url()
    path = Path(known_endpoints().clickhouse_path or home().clickhouse)
    if url is None and not (path / "store").is_dir():
        raise ConfigError("features backfill", "bars", "no warehouse", "start `mps sink`, or name files with --bars")
    return ClickHouseBars(at_address(url) if url else at_path(path), symbols, to_ns)
