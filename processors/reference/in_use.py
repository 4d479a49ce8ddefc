"""Which instruments a command works with: those of a file, or of ``reference.v1`` with ``MPS_REFERENCE=topic``.

Stages read a file and no topic, so that they stay pure: what was imported is written to one, named by its content, and
``MPS_INSTRUMENTS`` names it to all that the process builds. What is imported later counts from the next start.
"""

import hashlib
import logging
import os
from collections.abc import Sequence

from deploy.local.endpoints import find_broker
from deploy.local.paths import home
from processors.errors import ConfigError
from processors.reference.master import beside_list, default_master
from processors.reference.records import FOREVER_NS, Security
from processors.reference.store import ReferenceStore
from processors.whole_file import write_whole
from schemas.instruments import instruments_csv, load_instruments

REFERENCE, INSTRUMENTS = "MPS_REFERENCE", "MPS_INSTRUMENTS"
TOPIC, FILE = "topic", "file"

_log = logging.getLogger(__name__)


def use_reference(prefix: str = "") -> None:
    """Let this process know the instruments of ``reference.v1`` where the environment asks for it; call it first.

    Those of the list in use that were not imported stay. The name of the file that is written has the first digits of
    the SHA-256 of its content; the same import gives the same.

    Raises
    ------
    ConfigError
        The variable has another value.
    RetryableError
        The broker does not answer.
    """
    source = os.environ.get(REFERENCE, FILE)
    if source not in {TOPIC, FILE}:
        raise ConfigError("environment", REFERENCE, source, f"{TOPIC}, or {FILE} (the same as none)")
    if source == FILE:
        return
    imported = topic_securities(prefix)
    text = list_of(imported)
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = home().folder / f"instruments-{digest[:16]}.csv"
    write_whole(path, text)
    os.environ[INSTRUMENTS] = str(path)
    # Nothing of this process may have the list of before.
    load_instruments.cache_clear()
    default_master.cache_clear()
    symbols = len({s.symbol_id for s in imported})
    _log.info("instruments: %d symbols of %s%s, fingerprint %s, in %s", symbols, prefix, Security.TOPIC, digest, path)


def list_of(imported: Sequence[Security], known_ns: int = FOREVER_NS) -> str:
    """Return the text of the list with what was imported, and beside it the list in use."""
    master = beside_list(imported)
    return instruments_csv(master.listing(known_ns), master.roll_rules(known_ns))


def topic_securities(prefix: str) -> list[Security]:
    """Return what was imported to ``reference.v1``."""
    where = find_broker(home())
    return [r for r in ReferenceStore(where, prefix).read(Security.TOPIC) if isinstance(r, Security)]
