"""A process that runs a test stage: ``python -m tests.runtime.worker SERVERS PREFIX INSTANCE PATH PAUSE_S [STAGE]``."""

import logging
import signal
import sys

from processors.runtime.config import KafkaConfig
from processors.runtime.kafka import KafkaDriver
from processors.runtime.pipeline import Pipeline
from tests.runtime.echo import Echo
from tests.runtime.pair import Pair


def main() -> None:
    """Run until SIGTERM."""
    servers, prefix, instance, path, pause_s = sys.argv[1:6]
    logging.basicConfig(level="INFO")
    stage = Pair(float(pause_s)) if sys.argv[6:] == ["pair"] else Echo(float(pause_s))
    config = KafkaConfig(
        servers, stage.name, instance=instance, prefix=prefix, path=path, batch_rows_max=200, commit_interval_ms=30
    )
    driver = KafkaDriver(Pipeline([stage]), config)
    signal.signal(signal.SIGTERM, lambda *_: driver.stop())
    driver.run()


if __name__ == "__main__":
    main()
