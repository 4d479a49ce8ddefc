"""The stages behind a pack, as a back-fill runs them over bars: which they are, what they keep, what they give.

    features of featurize alone   bars -> featurize -> features.v1                         by partition key
    one or more of regime         bars -> featurize -> regime -> gold.v1                   by partition key
    of cross                      bars of all symbols -> featurize -> universe -> cross    all together

The steps are those of the stream, and so are the packs beside the one that is asked for: regime and cross read features
of the founding pack, quality is a feature of ``outside_v1``. Each partition has a state of its own, as it has live.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from offline.features.packs import PackView
from offline.features.sources import CROSS
from processors.cross.config import CrossConfig
from processors.cross.stage import Cross
from processors.errors import PlatformError
from processors.featurize.config import FeaturizeConfig
from processors.featurize.indicators import curve, facts
from processors.featurize.stage import Featurize
from processors.featurize.universe import UNIVERSE
from processors.regime.config import RegimeConfig
from processors.regime.stage import Regime
from processors.runtime.batch import I64, Columns
from processors.runtime.stage import OUT_OF_ORDER, Output, Stage
from processors.runtime.state import State
from processors.runtime.strings import STRINGS
from schemas.features import FOUNDING_PACK, Feature, Pack, load_pack

FEATURES, GOLD = "features.v1", "gold.v1"
OUTSIDE_PACK, QUALITY_RANK = "outside_v1", "cross_quality"
STEP_BARS = 8192
"""Bars of one step: its rows have every feature of the schema, and take 50 MB."""
Entries = dict[str, dict[bytes, bytes]]
"""State of a stage in a partition, by ``partition/stage``: last changelog value of each key."""


def reads_facts(pack: Pack) -> bool:
    """Return whether a pack has features of fundamentals, events, the volatility index or the risk budget."""
    return any(f.indicator in facts.KERNELS or f.indicator == QUALITY_RANK for f in pack.features)


def reads_curve(pack: Pack) -> bool:
    """Return whether a pack has features of a futures curve: then a contract needs the others of its root."""
    return any(f.indicator in curve.KERNELS for f in pack.features)


def is_of_all_symbols(pack: PackView) -> bool:
    """Return whether a row of a pack is made of the bars of all symbols."""
    return pack.source is CROSS


class Chain:
    """Stages, with a state for each partition that they have seen.

    Parameters
    ----------
    pack
        What is to be made.
    facts_files
        Files of facts, read where no record of a topic knows better; as ``MPS_FACTS`` live.
    """

    def __init__(self, pack: PackView, facts_files: Sequence[str] = (), cross: CrossConfig | None = None) -> None:
        features = pack.pack.features
        self._featurize = Featurize(FeaturizeConfig(_packs(pack.pack_id, features), tuple(facts_files)))
        self._regime = Regime(RegimeConfig.from_environment()) if "regime" in {f.source for f in features} else None
        self._cross = Cross(cross or CrossConfig.from_environment()) if is_of_all_symbols(pack) else None
        made = (self._featurize, self._regime, self._cross)
        self._stages: dict[str, Stage] = {stage.name: stage for stage in made if stage is not None}
        self._states: dict[str, State] = {}
        self.left_out = 0
        """Bars that gave no row since they came after a later one of their series, as live."""

    @property
    def topic(self) -> str:
        """Topic whose rows are made."""
        return CROSS.topic if self._cross else GOLD if self._regime else FEATURES

    @property
    def settings(self) -> str:
        """Text of all that the rows depend on, beside bars and facts."""
        return " ".join(f"{name} {stage.settings}" for name, stage in self._stages.items())

    def know(self, partition: int, facts: Columns) -> None:
        """Take in a batch of a topic of facts."""
        self._featurize.step(self._state(partition, self._featurize), facts)

    def run(self, bars: Mapping[int, Columns], newest_ns: Mapping[int, int]) -> Iterator[Columns]:
        """Yield the rows that come of bars.

        Parameters
        ----------
        bars
            Partition -> its next bars, in its own order.
        newest_ns
            Partition -> greatest ts of the bars before these.

        Raises
        ------
        PlatformError
            A bar is none; names the rule.
        """
        universe, reached = [], []
        for partition, page in sorted(bars.items()):
            newest = newest_ns[partition]
            for begin in range(0, len(page), STEP_BARS):
                part = page.take(slice(begin, begin + STEP_BARS))
                part.topic = Featurize.source
                out = self._step(partition, self._featurize, part)
                if self._cross:
                    universe.append(out.records[UNIVERSE])
                    reached.append(_reached(universe[-1], newest))
                    newest = int(reached[-1].max(initial=newest))
                elif self._regime:
                    yield self._step(partition, self._regime, out.records[FEATURES]).records[GOLD]
                else:
                    yield out.records[FEATURES]
        if self._cross and universe:
            # In the order of time over all partitions, so that none lags; each keeps its own.
            ints, floats = (np.concatenate([getattr(u, kind) for u in universe], axis=1) for kind in ("ints", "floats"))
            order = np.argsort(np.concatenate(reached), kind="stable")
            rows = Columns(universe[0].layout, ints, floats).take(order)
            yield self._step(0, self._cross, rows).records[CROSS.topic]

    def _step(self, partition: int, stage: Stage, rows: Columns) -> Output:
        out = stage.step(self._state(partition, stage), rows)
        if out.rejected:
            first = out.rejected[0]
            raise PlatformError(f"{stage.name} refuses a row, {first.error}: {first.reason}")
        self.left_out += out.counts.get(OUT_OF_ORDER, 0)
        return out

    def _state(self, partition: int, stage: Stage) -> State:
        name = f"{partition}/{stage.name}"
        if name not in self._states:
            self._states[name] = stage.open()
        return self._states[name]

    def changed(self) -> Entries:
        """Return the rows of state that changed since the last call."""
        found = {name: dict(state.changed()) for name, state in self._states.items()}
        for state in self._states.values():
            state.clean()
        return found

    def restore(self, entries: Entries) -> None:
        """Begin with a state: that of ``changed``, put together."""
        self._states.clear()
        for name, rows in entries.items():
            partition, _, stage = name.partition("/")
            self._state(int(partition), self._stages[stage]).restore(rows)


def _packs(pack_id: str, features: Sequence[Feature]) -> tuple[str, ...]:
    """Return the packs that featurize makes, so that every stage behind it has what it reads."""
    sources = {f.source for f in features}
    if sources == {"featurize"}:
        return (pack_id,)
    more = (OUTSIDE_PACK,) if any(f.indicator == QUALITY_RANK for f in features) else ()
    own = () if "cross" in sources or pack_id == FOUNDING_PACK else (pack_id,)
    return tuple(load_pack(name).pack_id for name in (FOUNDING_PACK, *own, *more))


def _reached(rows: Columns, before_ns: int) -> I64:
    """Return the time that a partition has come to with each of its rows, shape (n,)."""
    ts = np.asarray(rows["ts"], np.int64)
    return np.maximum(np.maximum.accumulate(ts), before_ns)


def symbols_of(rows: Columns) -> dict[str, int]:
    """Return the number of rows of each symbol."""
    codes, counts = np.unique(np.asarray(rows["symbol_id"], np.int64), return_counts=True)
    return {STRINGS.text(int(code)): int(n) for code, n in zip(codes, counts, strict=True)}
