"""Apache Kafka's jars: fetched once by Maven coordinates, checked against locked hashes.

Called by the embedded broker. The jars lie in the cache folder; a finished fetch leaves a file
with the class path, so that later starts neither import jgo nor touch the network.
"""

import hashlib
import os
import shutil
from pathlib import Path

from deploy.local.paths import cache_folder, locked
from processors.errors import ConfigError, RetryableError

KAFKA_VERSION = "4.3.0"
SCALA_VERSION = "2.13"
LOG4J_VERSION = "2.25.1"

# kafka-clients is named explicitly: without it an old version wins,
# and the broker dies with NoSuchMethodError.
COORDINATES = (
    f"org.apache.kafka:kafka_{SCALA_VERSION}:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}",
    f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J_VERSION}",
    f"org.apache.logging.log4j:log4j-core:{LOG4J_VERSION}",
)
LOCK = Path(__file__).with_name("kafka_jars.sha256")


def class_path() -> str:
    """Return the class path of the broker; fetch its jars first if they are not there yet.

    Raises
    ------
    RetryableError
        The jars cannot be fetched.
    ConfigError
        A fetched jar is not the one that the lock file names.
    """
    folder = kafka_folder()
    wanted = locked_jars()
    if not _has_all(folder, wanted):
        # Two that start at once: one fetches, the other waits and then has nothing to do.
        with locked(cache_folder() / "fetch.lock"):
            if not _has_all(folder, wanted):
                _install(folder, wanted)
    # An explicit order: a cache of classes is only valid for the very same class path.
    return os.pathsep.join(str(folder / name) for name in sorted(wanted))


def has_jars() -> bool:
    """Return whether every jar is there, without fetching any."""
    return _has_all(kafka_folder(), locked_jars())


def kafka_folder() -> Path:
    """Return the folder of the jars, in the cache folder."""
    return cache_folder() / f"kafka-{KAFKA_VERSION}"


def locked_jars() -> dict[str, str]:
    """Return jar name -> sha256 from the lock file (the form of `sha256sum`)."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def _has_all(folder: Path, wanted: dict[str, str]) -> bool:
    return all((folder / name).exists() for name in wanted)


def _install(folder: Path, wanted: dict[str, str]) -> None:
    """Fetch, check every hash, then move into place: a half-done fetch is never taken for done."""
    fetched = {jar.name: jar for jar in _fetch(cache_folder() / "maven")}
    folder.mkdir(parents=True, exist_ok=True)
    for name, digest in wanted.items():
        if name not in fetched:
            raise ConfigError(str(LOCK), name, "missing", "the Maven coordinates no longer bring it")
        found = hashlib.sha256(fetched[name].read_bytes()).hexdigest()
        if found != digest:
            raise ConfigError(str(LOCK), name, found, f"the lock says {digest}; delete {cache_folder()} and try again")
        partial = folder / f"{name}.{os.getpid()}"
        shutil.copyfile(fetched[name], partial)
        partial.replace(folder / name)
    shutil.rmtree(cache_folder() / "maven", ignore_errors=True)


def _fetch(folder: Path) -> list[Path]:
    """Return the jars of the coordinates, resolved and downloaded by jgo into the folder."""
    # Imported here: it costs a quarter of a second that only the first start has to pay.
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext

    # Its own repository cache, not the one in the user's home: we keep to the checkout.
    context = MavenContext(repo_cache=folder / "repository", remote_repos={"central": MAVEN_CENTRAL_URL})
    builder = EnvironmentBuilder(context=context, cache_dir=folder / "environments", link_strategy=LinkStrategy.AUTO)
    try:
        environment = builder.from_endpoint("+".join(COORDINATES))
    except Exception as error:
        raise RetryableError(
            f"cannot fetch Apache Kafka {KAFKA_VERSION} from Maven Central ({error}); "
            f"it is needed once, then kept in {cache_folder()}: check the network and try again"
        ) from error
    return sorted(environment.path.rglob("*.jar"))
