"""Own an embedded warehouse for a test: ``python warehouse_owner.py PATH FILE``.

Stores the gold rows of the file as the sink does, prints the address at which it answers, and ends with its input.
"""

import pickle
import sys
import threading
from pathlib import Path

import numpy as np

from offline.warehouse.client import Warehouse
from offline.warehouse.engine import Engine
from offline.warehouse.server import WarehouseServer
from processors.sinks.clickhouse import ClickHouseSink
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Records


def main(path: Path, rows: Path) -> None:
    """Store, answer, wait."""
    warehouse = Warehouse.embedded(path)
    warehouse.create()
    sink = ClickHouseSink(warehouse, SinkConfig(), threading.Event())
    for topic, values in pickle.loads(rows.read_bytes()).items():  # noqa: S301 - written by the test itself
        n = len(values)
        sink.write([Records(topic, values, np.zeros(n, np.int64), np.arange(n), np.zeros(n, np.int64))])
    with Engine(path) as engine:
        server = WarehouseServer(engine, dict, 0)
        server.start()
        sys.stdout.write(server.url + "\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.close()
    warehouse.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
