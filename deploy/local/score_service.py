"""How the ScoreService is started beside other homes. Called by `mps up` and `mps demo`."""

from deploy.local import ports
from serving.config import PORT


def serve_command(preferred: int = PORT) -> list[str]:
    """Return what stands after ``mps``: the service at its usual port, or at a free one where that is taken.

    A service of another home may hold the port, or anything else.
    """
    return ["serve", "--port", str(ports.choose("ScoreService", preferred=preferred))]
