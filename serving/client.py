"""Calls to a ScoreService, for the command line and for checks of health."""

from dataclasses import dataclass
from typing import Literal

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.generated import score_pb2 as pb
from serving.generated import score_pb2_grpc as pb_grpc

HEALTH_TIMEOUT_S = 2.0
SCORE_TIMEOUT_S = 5.0

State = Literal["SERVING", "NOT_SERVING", "UNKNOWN", "SERVICE_UNKNOWN", "UNREACHABLE", "DEADLINE_EXCEEDED", "NO_HEALTH"]


@dataclass(frozen=True, slots=True)
class Health:
    """What a server says of itself.

    Parameters
    ----------
    state
        ``NO_HEALTH``: it answers, but has no health service, so nothing more is known.
    """

    state: State
    message: str = ""

    @property
    def is_healthy(self) -> bool:
        """Whether calls may be sent: a missed deadline is not healthy, a server without health service is."""
        return self.state in {"SERVING", "NO_HEALTH"}


def check_health(channel: grpc.Channel, service: str = "", timeout_s: float = HEALTH_TIMEOUT_S) -> Health:
    """Return the health of a service; of the whole server where the name is empty."""
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        response = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout_s)
    except grpc.RpcError as e:
        states: dict[grpc.StatusCode, State] = {
            grpc.StatusCode.UNIMPLEMENTED: "NO_HEALTH",
            grpc.StatusCode.NOT_FOUND: "SERVICE_UNKNOWN",
            grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
        }
        return Health(states.get(e.code(), "UNREACHABLE"), e.details() or "")
    return Health(health_pb2.HealthCheckResponse.ServingStatus.Name(response.status))


def score(channel: grpc.Channel, request: pb.ScoreRequest, timeout_s: float = SCORE_TIMEOUT_S) -> pb.Signal:
    """Return the signal.

    Raises
    ------
    grpc.RpcError
        With the status that ``schemas/proto/score.proto`` names.
    """
    stub = pb_grpc.ScoreServiceStub(channel)  # type: ignore[no-untyped-call]
    signal: pb.Signal = stub.Score(request, timeout=timeout_s)
    return signal
