"""How the ScoreService is started beside other homes. Called by `mps up` and `mps demo`."""

from serving.config import PORT


def serve_command(preferred: int = PORT) -> list[str]:
    """Return what stands after ``mps``: the service at its usual port, or at a free one where that is taken.

    A service of another home may hold the port, or anything else. The service itself finds out, when it binds it: who
    looked before would look in vain, since it takes seconds to start.
    """
    return ["serve", "--port", str(preferred), "--or-free-port"]
