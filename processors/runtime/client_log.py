"""librdkafka's own log lines, taken into Python's logging: every consumer and producer of ours is made with it.

    Consumer({..., "logger": CLIENT_LOG})

librdkafka writes to standard error by default, a line each time it tries a broker that is away. What matters of that
is raised by the call that failed, so here the lines are news, not errors: INFO at most, and repeats are DEBUG. They
come while the client is polled. A client that nobody polls (an admin client) has ``"log_level": 0`` instead.
"""

import logging
import time

log = logging.getLogger("librdkafka")

REPEAT_S = 10.0
"""A line of one facility (FAIL, SESSTMOUT, ...) is news again after it."""


class ClientLog:
    """What a client takes for a logger."""

    def __init__(self) -> None:
        self._said_at_s: dict[str, float] = {}

    def log(self, level: int, message: str, *args: object) -> None:
        """Log one line; ``args`` are facility, name of the client, text."""
        facility, now_s = str(args[0]), time.monotonic()
        if now_s - self._said_at_s.get(facility, -REPEAT_S) < REPEAT_S:
            level = logging.DEBUG
        else:
            self._said_at_s[facility] = now_s
        log.log(min(level, logging.INFO), message, *args)


CLIENT_LOG = ClientLog()
