"""What a running sink process says of itself, for the demo, ``mps doctor`` and dashboards."""

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from deploy.local.endpoints import load_endpoints
from deploy.local.paths import Home
from offline.warehouse.tables import TABLE_OF_TOPIC

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Stats:
    """The sink process at one moment.

    Parameters
    ----------
    up
        Whether it answers. If not, every number is 0.
    rows
        Topic -> rows of its table.
    lag
        Topic -> offsets that lie ahead of the ClickHouse sink.
    marks
        Topic -> clock marks that were read and are no rows, since the process started.
    refused
        Undecodable records that went to the table dead_letters, since the process started.
    caught_up
        Both sinks had stored everything committed when they last looked.
    sinks
        Sink -> its counters.
    """

    up: bool = False
    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLE_OF_TOPIC, 0))
    lag: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLE_OF_TOPIC, 0))
    marks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLE_OF_TOPIC, 0))
    refused: int = 0
    caught_up: bool = False
    sinks: dict[str, Any] = field(default_factory=dict)


def read_stats(home: Home) -> Stats:
    """Return what the sink process of the running stack says, or ``Stats()`` while there is none.

    Raises
    ------
    ConfigError
        Nothing runs here.
    """
    url = load_endpoints(home).warehouse_url
    return ask_stats(url) if url else Stats()


def ask_stats(url: str) -> Stats:
    """Return what the sink process at that address says, or ``Stats()`` while it does not answer."""
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname or "localhost", at.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/stats")
        found = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return Stats()
    finally:
        connection.close()
    if not isinstance(found, dict) or "sinks" not in found:
        return Stats()
    of_table = {topic: found[table] for topic, table in TABLE_OF_TOPIC.items()}
    clickhouse = found["sinks"].get("clickhouse", {})
    return Stats(
        up=True,
        rows={topic: table["rows"] or 0 for topic, table in of_table.items()},
        lag={topic: table["lag"] or 0 for topic, table in of_table.items()},
        marks={topic: table["marks"] or 0 for topic, table in of_table.items()},
        refused=clickhouse.get("refused", 0),
        caught_up=found["caught_up"],
        sinks=found["sinks"],
    )
