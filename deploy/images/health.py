"""Say whether a container does its work: exit code 0 or 1, the reason on standard error.

    python -m deploy.images.health group reconcile        the consumer group has members and is settled
    python -m deploy.images.health grpc 127.0.0.1:50051   the ScoreService says SERVING
    python -m deploy.images.health http URL               the answer is 200

Called by the health checks of the compose file.
"""

import sys
import urllib.request
from collections.abc import Callable

from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from deploy.local.endpoints import load_endpoints
from deploy.local.paths import home

TIMEOUT_S = 5.0
# A rebalance is work too: a group that is joining is not ill.
AT_WORK = frozenset(
    {
        ConsumerGroupState.STABLE,
        ConsumerGroupState.PREPARING_REBALANCING,
        ConsumerGroupState.COMPLETING_REBALANCING,
    }
)


def group(name: str) -> str | None:
    """Return why the consumer group is not at work, or None."""
    admin = AdminClient({"bootstrap.servers": load_endpoints(home()).bootstrap_servers, "log_level": 0})
    found = admin.describe_consumer_groups([name], request_timeout=TIMEOUT_S)[name].result(TIMEOUT_S)
    if not found.members:
        return f"group {name} has no members"
    # The protocol of KIP-848 has states of its own, which the client reports as unknown.
    if found.state not in AT_WORK and found.state != ConsumerGroupState.UNKNOWN:
        return f"group {name} is {found.state.name}"
    return None


def grpc(address: str) -> str | None:
    """Return why the gRPC service does not serve, or None."""
    from grpc import insecure_channel
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        reply = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
    serves = reply.status == health_pb2.HealthCheckResponse.SERVING
    return None if serves else f"{address} says {health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)}"


def http(url: str) -> str | None:
    """Return why the address does not answer well, or None."""
    if not url.startswith(("http://", "https://")):
        return f"{url} is no http address"
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as reply:  # noqa: S310 - the scheme is checked above
        return None if reply.status == 200 else f"{url} answers {reply.status}"


CHECKS: dict[str, Callable[[str], str | None]] = {"group": group, "grpc": grpc, "http": http}


def main(arguments: list[str]) -> int:
    """Run one check."""
    if len(arguments) != 2 or arguments[0] not in CHECKS:
        sys.stderr.write(f"usage: health {'|'.join(CHECKS)} TARGET\n")
        return 2
    try:
        fault = CHECKS[arguments[0]](arguments[1])
    except Exception as error:  # noqa: BLE001 - whatever it is, the container is not well
        fault = f"{type(error).__name__}: {error}"
    if fault:
        sys.stderr.write(fault + "\n")
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
