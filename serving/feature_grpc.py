"""The gRPC FeatureService of ``schemas/proto/features.proto``, beside the ScoreService on the same port."""

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from offline.features.packs import QUALITY
from processors.errors import ConfigError
from schemas.features import FOUNDING_PACK
from serving.aborts import Context, abort
from serving.feature_engine import Ask, FeatureAnswer, FeatureEngine, Kind, Refused
from serving.generated import features_pb2 as pb
from serving.generated import features_pb2_grpc as pb_grpc

SERVICE: str = pb.DESCRIPTOR.services_by_name["FeatureService"].full_name

STATUS: dict[Kind, grpc.StatusCode] = {
    "invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "not_found": grpc.StatusCode.NOT_FOUND,
    "away": grpc.StatusCode.UNAVAILABLE,
    "busy": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "broken": grpc.StatusCode.DATA_LOSS,
    "fault": grpc.StatusCode.INTERNAL,
}


class FeatureServicer(pb_grpc.FeatureServiceServicer):
    """The methods of the service."""

    def __init__(self, engine: FeatureEngine) -> None:
        self._engine = engine

    async def GetFeatures(  # noqa: N802 - the protocol's name
        self, request: pb.GetFeaturesRequest, context: Context
    ) -> pb.GetFeaturesResponse:
        """Return the rows of some symbols."""
        try:
            ask = ask_of(request)
        except ConfigError as e:
            await abort(context, STATUS["invalid"], str(e))
        answer = await self._engine.answer(ask, message_of)
        if isinstance(answer, Refused):
            await abort(context, STATUS[answer.kind], answer.message)
        return answer


def ask_of(request: pb.GetFeaturesRequest) -> Ask:
    """Return what a message asks, its empty fields as they are meant.

    Raises
    ------
    ConfigError
        A time in it is none.
    """
    as_of_ns = _nanoseconds("as_of", request.as_of) if request.HasField("as_of") else None
    known_by_ns = _nanoseconds("known_by", request.known_by) if request.HasField("known_by") else None
    return Ask(
        list(request.symbol_ids), as_of_ns, request.pack_id or FOUNDING_PACK, request.time_horizon or "1m",
        request.rows or 1, known_by_ns,
    )  # fmt: skip


def _nanoseconds(field: str, time: Timestamp) -> int:
    if not 0 <= time.nanos < 1_000_000_000:
        raise ConfigError("GetFeatures", f"{field}.nanos", time.nanos, "0 to 999999999")
    return time.seconds * 1_000_000_000 + time.nanos


def _timestamp(ns: int) -> Timestamp:
    return Timestamp(seconds=ns // 1_000_000_000, nanos=ns % 1_000_000_000)


def message_of(answer: FeatureAnswer) -> pb.GetFeaturesResponse:
    """Return an answer as a message."""
    found = answer.rows
    rows, pack = found.rows, found.pack
    response = pb.GetFeaturesResponse(
        pack_id=pack.pack_id, pack_hash=pack.hash, time_horizon=found.tf, feature_names=pack.names,
        missing=[pb.MissingSymbol(symbol_id=s, reason=why) for s, why in answer.missing.items()],
    )  # fmt: skip
    # Row by row, and in its place at once: other threads have their turn between two rows of many.
    places = zip(rows.symbol.tolist(), rows.ts_ns.tolist(), rows.known_ns.tolist(), strict=True)
    for i, (symbol, ts_ns, known_ns) in enumerate(places):
        # Lists of Python's own numbers: those of NumPy are made anew at each access.
        vector = response.rows.add(
            symbol_id=found.symbols[symbol], ts=_timestamp(ts_ns), known_at=_timestamp(known_ns),
            values=rows.values[:, i].tolist(), warm=bool(found.warm[i]), age_ms=float(found.age_ms[i]),
            stale=bool(found.stale[i]),
        )  # fmt: skip
        told = dict(zip(QUALITY, rows.quality[:, i].tolist(), strict=True))
        vector.quality.stale, vector.quality.gap = told["stale"] > 0, told["gap"] > 0
        vector.quality.outlier_frac, vector.quality.n_src = told["outlier_frac"], told["n_src"]
        if told["lat_ms"] == told["lat_ms"]:
            vector.quality.lat_ms = told["lat_ms"]
    return response
