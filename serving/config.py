"""Settings of the ScoreService."""

from dataclasses import dataclass
from pathlib import Path

from processors.errors import ConfigError

CLOCKS = ("event", "wall")
CLOCK_VARIABLE = "MPS_CLOCK"
"""Environment variable of the clock, so that `mps up` and the compose file choose it too."""
PORT = 50051
"""What gRPC's own examples listen on."""


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """Settings of the ScoreService.

    Parameters
    ----------
    redis_url, bootstrap_servers
        Where gold rows and signals come from.
    host
        Loopback, since without ``tls_cert`` anyone who reaches the port may ask.
    port
        0 lets the system choose.
    or_free_port
        Whether the system chooses too where the port is taken: nobody asked for this very one.
    clock
        ``event``: without ``as_of`` the latest row of the symbol counts as now, for replayed data, so that no age is
        known. ``wall``: the clock of this machine; whoever acts on live data wants this one.
    tls_cert, tls_key
        PEM files; both or none.
    tls_client_ca
        PEM file: callers must show a certificate of this authority.
    batch_max
        Most requests of one ScoreBatch: about 50 ms of work.
    pending_max
        Most requests that wait for the worker, about half a second of work; more are refused, not queued.
    streams_max
        Most clients of StreamSignals: each has a consumer of its own, about 10 MB.
    stream_queue_max
        Signals that wait for one client: a minute of a thousand symbols at 1m.
    stream_behind_max_s
        How long a client's queue may stay full before the client is dropped: a burst passes, a stuck client does not.
    topic_prefix
        Stands before the names of topics.
    grace_s
        How long calls under way may take after a stop was asked for.
    """

    redis_url: str
    bootstrap_servers: str
    host: str = "127.0.0.1"
    port: int = PORT
    or_free_port: bool = False
    clock: str = "event"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    batch_max: int = 1000
    pending_max: int = 10_000
    streams_max: int = 32
    stream_queue_max: int = 1000
    stream_behind_max_s: float = 5.0
    topic_prefix: str = ""
    grace_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        Raises
        ------
        ConfigError
            A value is out of range, or a certificate is named without its key.
        """
        if self.clock not in CLOCKS:
            raise ConfigError("ScoreService", "clock", self.clock, f"one of {', '.join(CLOCKS)}")
        if not 0 <= self.port <= 65535:
            raise ConfigError("ScoreService", "port", self.port, "0 to 65535")
        for name in ("batch_max", "pending_max", "streams_max", "stream_queue_max"):
            if getattr(self, name) < 1:
                raise ConfigError("ScoreService", name, getattr(self, name), "at least 1")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("ScoreService", "tls", (self.tls_cert, self.tls_key), "certificate and key, or neither")
        if self.tls_client_ca and not self.tls_cert:
            raise ConfigError("ScoreService", "tls_client_ca", self.tls_client_ca, "needs a certificate and a key")
        for path in (self.tls_cert, self.tls_key, self.tls_client_ca):
            if path is not None and not path.is_file():
                raise ConfigError("ScoreService", "tls", str(path), "a PEM file")
