"""The gRPC ScoreService and, beside it, the FeatureService, with health, reflection and a graceful stop.

Served by ``grpc.aio``: streams and watchers hold no thread, and one thread scores.
"""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any, NoReturn

import grpc
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection
from redis.backoff import NoBackoff
from redis.retry import Retry

from offline.features.service import FeatureService
from processors.errors import ConfigError
from processors.score.config import ScoreConfig
from processors.score.model import load_model
from processors.sinks.redis_store import RedisStore
from serving.aborts import FAULT, Context, abort
from serving.batcher import Batcher
from serving.config import ServeConfig
from serving.engine import ScoreEngine
from serving.feature_engine import FeatureEngine
from serving.feature_grpc import SERVICE as FEATURES
from serving.feature_grpc import FeatureServicer
from serving.generated import features_pb2_grpc
from serving.generated import score_pb2 as pb
from serving.generated import score_pb2_grpc as pb_grpc
from serving.requests import Asked, Failure, asked
from serving.streams import SIGNALS, SignalStream, wanted

SERVICE: str = pb.DESCRIPTOR.services_by_name["ScoreService"].full_name
READY_EVERY_S = 1.0
REDIS_TIMEOUT_S = 1.0
"""A loopback answer takes 0.1 ms; a caller of a latency service does not wait for seconds."""
MESSAGE_BYTES_MAX = 1 << 20
"""A full batch has 60 kB."""
KEEPALIVE_MS = 20_000
"""How long a silent caller is left alone, and how long it may take to say that it is there: one whose machine is gone
says nothing for ever, and would keep its place among the streams."""

LOG = logging.getLogger(__name__)


class ScoreServicer(pb_grpc.ScoreServiceServicer):
    """The methods of ``schemas/proto/score.proto``."""

    def __init__(self, config: ServeConfig, batcher: Batcher) -> None:
        self._config, self._batcher = config, batcher
        self._streams: set[SignalStream] = set()

    async def Score(self, request: pb.ScoreRequest, context: Context) -> pb.Signal:  # noqa: N802 - the protocol's name
        """Score one row."""
        one = asked(request)
        answer = one if isinstance(one, Failure) else (await self._batcher.answers([one]))[0]
        if isinstance(answer, Failure):
            await _abort(context, answer)
        return answer

    async def ScoreBatch(  # noqa: N802 - the protocol's name
        self, request: pb.ScoreBatchRequest, context: Context
    ) -> pb.ScoreBatchResponse:
        """Score many rows, each with its own result or error."""
        n = len(request.requests)
        if n > self._config.batch_max:
            message = f"{n} requests in one batch, limit {self._config.batch_max}: split it"
            await _abort(context, Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, message))
        checked = [asked(r) for r in request.requests]
        good = [one for one in checked if isinstance(one, Asked)]
        answers = iter(await self._batcher.answers(good))
        outcomes = (one if isinstance(one, Failure) else next(answers) for one in checked)
        return pb.ScoreBatchResponse(items=[_item(o) for o in outcomes])

    async def StreamSignals(  # noqa: N802 - the protocol's name
        self, request: pb.StreamSignalsRequest, context: Context
    ) -> None:
        """Follow signals."""
        want = wanted(request)
        if isinstance(want, Failure):
            await _abort(context, want)
        config = self._config
        if len(self._streams) >= config.streams_max:
            message = f"{len(self._streams)} clients stream, limit {config.streams_max}: try again later"
            await _abort(context, Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, message))
        stream = SignalStream(
            config.bootstrap_servers,
            config.topic_prefix + SIGNALS,
            want,
            queue_max=config.stream_queue_max,
            behind_max_s=config.stream_behind_max_s,
        )
        self._streams.add(stream)
        # Not when its client leaves: with the broker away, each would leave a consumer behind for seconds.
        stream.left.add_done_callback(lambda _: self._streams.discard(stream))
        # Beside it, since a write to a client that does not read waits for ever.
        forwarding = asyncio.create_task(_forward(stream, context))
        try:
            either: set[asyncio.Future[Any]] = {forwarding, stream.ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            forwarding.cancel()
            stream.close()
        if stream.ended.done():
            await _abort(context, stream.ended.result())
        await forwarding

    def stop_streams(self) -> None:
        """End every stream with UNAVAILABLE: clients connect again, to another instance."""
        for stream in self._streams:
            stream.end(Failure(grpc.StatusCode.UNAVAILABLE, "the service stops: connect again"))


class ScoreServer:
    """The running service.

    Parameters
    ----------
    config
        Settings.
    engine
        Answers; made from the settings where None.
    features
        Answers of the FeatureService, which is served where this is given.
    """

    def __init__(
        self, config: ServeConfig, engine: ScoreEngine | None = None, features: FeatureService | None = None
    ) -> None:
        self.config = config
        self.engine = engine or make_engine(config)
        self.port = 0
        self.health = health_aio.HealthServicer()
        self._batcher = Batcher(self.engine.score, config.pending_max)
        self._servicer = ScoreServicer(config, self._batcher)
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
                # Two servers on one port would share callers between them without a word.
                ("grpc.so_reuseport", 0),
                ("grpc.keepalive_time_ms", KEEPALIVE_MS),
                # The first alone waits a minute for the answer.
                ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
                ("grpc.http2.ping_timeout_ms", KEEPALIVE_MS),
                # However long a stream has no signal.
                ("grpc.http2.max_pings_without_data", 0),
            ]
        )
        pb_grpc.add_ScoreServiceServicer_to_server(self._servicer, self._server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        self.features = FeatureEngine(features, self._batcher) if features else None
        if self.features:
            servicer = FeatureServicer(self.features)
            features_pb2_grpc.add_FeatureServiceServicer_to_server(servicer, self._server)  # type: ignore[no-untyped-call]
        self._services = (SERVICE, *([FEATURES] if self.features else []))
        health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        names = (*self._services, health, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self._monitor: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Return host:port."""
        return f"{self.config.host}:{self.port}"

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        ConfigError
            The port is in use, or a certificate cannot be read.
        """
        try:
            self.port = self._bind(self.config.port)
        except RuntimeError as e:
            address = f"{self.config.host}:{self.config.port}"
            if not self.config.or_free_port:
                remedy = (
                    "it is in use or no address of this machine: stop the other process, or choose another with --port"
                )
                raise ConfigError("ScoreService", "address", address, remedy) from e
            self.port = self._bind(0)
        if self.port == 0:
            raise ConfigError("ScoreService", "tls", str(self.config.tls_cert), "a PEM certificate with its key")
        await self._look()
        await self._server.start()
        self._monitor = asyncio.create_task(self._watch())

    def _bind(self, port: int) -> int:
        """Return the port that it listens on; raises RuntimeError where it is taken."""
        address = f"{self.config.host}:{port}"
        cert, key = self.config.tls_cert, self.config.tls_key
        if cert is None or key is None:
            return int(self._server.add_insecure_port(address))
        return int(self._server.add_secure_port(address, _credentials(cert, key, self.config.tls_client_ca)))

    async def stop(self) -> None:
        """Tell health first, then let the calls under way end, within the grace."""
        await self.health.enter_graceful_shutdown()
        if self._monitor is not None:
            self._monitor.cancel()
        self._servicer.stop_streams()
        await self._server.stop(self.config.grace_s)
        self._batcher.close()
        if self.features:
            self.features.close()

    async def wait(self) -> None:
        """Return once the server has stopped."""
        await self._server.wait_for_termination()

    async def _watch(self) -> None:
        """Keep health true: SERVING while a score could be made."""
        while True:
            await asyncio.sleep(READY_EVERY_S)
            await self._look()

    async def _look(self) -> None:
        """Tell the health of each service; that of the whole is the ScoreService's."""
        try:
            failure = await self._batcher.in_thread(self.engine.ready)
        except Exception:
            # Whatever it is: were the watch to end with it, health would tell the last state for ever.
            LOG.exception("whether a score could be made is not known")
            failure = Failure(grpc.StatusCode.INTERNAL, FAULT)
        ready = {"": failure is None, SERVICE: failure is None}
        if self.features:
            ready[FEATURES] = await self.features.ready()
        response = health_pb2.HealthCheckResponse
        for name, is_ready in ready.items():
            await self.health.set(name, response.SERVING if is_ready else response.NOT_SERVING)


def make_engine(config: ServeConfig) -> ScoreEngine:
    """Return the engine that reads Redis and the deployed model."""
    # One retry without a wait: a pooled connection may have been closed by a server that is back.
    client = redis.Redis.from_url(
        config.redis_url,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),
    )
    now_ns = time.time_ns if config.clock == "wall" else None
    return ScoreEngine(RedisStore(client), load_model, ScoreConfig.from_environment(), now_ns)


async def _forward(stream: SignalStream, context: Context) -> None:
    while True:
        signal = await stream.next()
        if signal is None:
            # The caller sees headers once nothing that comes can be missed.
            await context.send_initial_metadata(())
        elif isinstance(signal, Failure):
            stream.end(signal)
            return
        else:
            await context.write(signal)


async def _abort(context: Context, failure: Failure) -> NoReturn:
    await abort(context, failure.code, failure.message)


def _item(answer: pb.Signal | Failure) -> pb.ScoreItem:
    if isinstance(answer, Failure):
        return pb.ScoreItem(error=pb.ScoreError(code=answer.code.value[0], message=answer.message))
    return pb.ScoreItem(signal=answer)


def _credentials(cert: Path, key: Path, client_ca: Path | None) -> grpc.ServerCredentials:
    roots = client_ca.read_bytes() if client_ca else None
    return grpc.ssl_server_credentials([(key.read_bytes(), cert.read_bytes())], roots, roots is not None)
