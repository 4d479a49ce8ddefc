"""What a back-fill reads beside the bars: facts of topics and files, and the other contracts of a root."""

from collections.abc import Sequence
from pathlib import Path

from offline.features.addresses import known_endpoints
from offline.features.chain import is_of_all_symbols, reads_curve, reads_facts
from offline.features.known_facts import Fact, KnownFacts
from offline.features.packs import PackView
from processors.errors import ConfigError
from processors.featurize.config import FeaturizeConfig
from processors.reference.records import Fundamental, MarketEvent
from processors.reference.store import ReferenceStore
from schemas.instruments import load_instruments, partition_key


def facts_for(
    view: PackView, files: Sequence[Path], *, without: bool, partitions: int
) -> tuple[KnownFacts, tuple[str, ...]]:  # fmt: skip
    """Return the facts of the topics, if a platform runs, and the files to read where those know nothing.

    Raises
    ------
    ConfigError
        Facts are named and refused at once, or a file is missing.
    RetryableError
        The platform's Kafka does not answer.
    """
    if files and without:
        raise ConfigError("features backfill", "--no-facts", "given beside --facts", "one of the two")
    if without or not reads_facts(view.pack):
        return KnownFacts(), ()
    for path in files:
        if not path.is_file():
            raise ConfigError("features backfill", "--facts", str(path), "a file of fundamentals or events")
    named = tuple(map(str, files)) or FeaturizeConfig.from_environment().facts_files
    address = known_endpoints().bootstrap_servers
    records: list[Fact] = []
    if address and not files:
        store = ReferenceStore(address)
        for topic in (Fundamental.TOPIC, MarketEvent.TOPIC):
            records += [r for r in store.read(topic) if isinstance(r, Fundamental | MarketEvent)]
    return KnownFacts(records, partitions), named


def with_roots(view: PackView, symbols: Sequence[str]) -> list[str]:
    """Return the symbols whose bars are needed for rows of some symbols.

    Raises
    ------
    ConfigError
        Rows of the pack are made of all symbols.
    """
    if is_of_all_symbols(view):
        raise ConfigError(
            "features backfill", "--symbols", ",".join(symbols[:5]),
            f"none: a row of {view.pack_id} is a place among all symbols",
        )  # fmt: skip
    if not reads_curve(view.pack):
        return list(symbols)
    roots = {partition_key(s) for s in symbols}
    others = [r.symbol_id for r in load_instruments().rows if r.partition_key in roots]
    return list(dict.fromkeys([*symbols, *others]))
