"""One store holds the rows of one platform: its positions and keys do not tell topics of two prefixes apart."""

from collections.abc import Iterable

from offline.warehouse.tables import TABLE_OF_TOPIC
from processors.errors import ConfigError


def refuse_other_prefix(where: str, topics: Iterable[str], prefix: str, other_store: str) -> None:
    """Raise where a store holds rows of topics of another prefix.

    Parameters
    ----------
    topics
        Whose rows it holds, as Kafka names them.
    prefix
        Of the topics that shall be stored.
    other_store
        How another store is named, for the remedy.

    Raises
    ------
    ConfigError
        It does.
    """
    own = {prefix + topic for topic in TABLE_OF_TOPIC}
    for name in sorted(set(topics) - own):
        for topic in TABLE_OF_TOPIC:
            if name.endswith(topic):
                other = name.removesuffix(topic)
                wanted = f"--prefix {other}" if other else "no --prefix"
                raise ConfigError(
                    where, "prefix of its topics", other,
                    f"it cannot take rows of topics of the prefix {prefix!r} too: give {wanted}, or {other_store}",
                )  # fmt: skip
