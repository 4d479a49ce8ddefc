r"""Stages chained in one process: bytes in, bytes out. Both drivers run this, so both give the same bytes.

::

    MessageBatch -> decode -> stage -> encode -> EncodedBatch, one for each topic
                                 \-> next stage (same columns, no second decoding) -> ...

A batch of a side topic goes to the stage that has the side, and on from there.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import fastavro
import numpy as np

from processors.errors import ConfigError
from processors.runtime.batch import I64, U8, Columns, EncodedBatch, MessageBatch, pack
from processors.runtime.codec import ROW_ERRORS, UNKNOWN_ID, FlatCodec, check_room, wire_record
from processors.runtime.deadletter import WINDOW, DeadLetterLimit, cut_to_fit
from processors.runtime.placing import Placing
from processors.runtime.stage import Output, Rejected, Stage
from processors.runtime.state import State, Table, pack_key, unpack_key
from processors.runtime.strings import STRINGS
from schemas.instruments import partition_key
from schemas.registry import Registry, load_registry

DEAD_LETTER = "dead.letter.v1"
RAW_TICKS = "ticks.raw.v1"


@dataclass(slots=True)
class PartitionState:
    """States of all stages of the pipeline for one partition, by stage name."""

    states: dict[str, State] = field(default_factory=dict)

    def changed(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the changelog records of every row that changed since the last ``clean``."""
        for name, state in self.states.items():
            prefix = pack_key([name.encode()])
            for key, value in state.changed():
                yield prefix + key, value

    def changed_rows(self) -> Iterator[tuple[bytes, list[bytes], U8]]:
        """Yield the same by table: prefix of its keys, keys, and values, shape (n, bytes of a value)."""
        for name, state in self.states.items():
            for table in state.tables.values():
                yield pack_key([name.encode()]), *table.changed_rows()

    def clean(self) -> None:
        """Forget which rows changed: they are in the changelog now."""
        for state in self.states.values():
            state.clean()

    def restore(self, entries: dict[bytes, bytes]) -> None:
        """Take every stage's state back from the last changelog value of each key.

        Raises
        ------
        ConfigError
            The changelog is of another set of stages, or a row of another version of one.
        """
        by_stage: dict[str, dict[bytes, bytes]] = {name: {} for name in self.states}
        for key, value in entries.items():
            first = unpack_key(key)[0]
            stage = by_stage.get(first.decode())
            if stage is None:
                raise ConfigError("changelog", "stage", first.decode(), f"this process runs {', '.join(self.states)}")
            stage[key[2 + len(first) :]] = value
        for name, rows in by_stage.items():
            self.states[name].restore(rows)


class Pipeline:
    """A chain of stages: each consumes what the one before publishes.

    Parameters
    ----------
    stages
        In the order of the topology; the source of each but the first is a sink of the one before.
    registry
        Schemas and topics; the released ones by default.

    Raises
    ------
    ConfigError
        The stages read topics of different numbers of partitions.
    """

    def __init__(self, stages: list[Stage], registry: Registry | None = None) -> None:
        self.stages = stages
        self.registry = registry or load_registry()
        for before, after in pairwise(stages):
            assert after.source in before.sinks, f"{after.name} does not read what {before.name} writes"
        topics = {t for s in stages for t in (s.source, *s.sides, *s.sinks)}
        # A topic may be the source of the first stage and a side of a later one.
        self._readers = {
            t: [i for i, s in enumerate(stages) if t in s.sides or (i == 0 and t == s.source)] for t in topics
        }
        self.placing = Placing(stages, self.registry.topics)
        self.codecs = {t: FlatCodec((e := self.registry.current(t)).schema, e.id) for t in sorted(topics)}
        dead = self.registry.current(DEAD_LETTER)
        self._dead_id, self._dead_schema = dead.id, fastavro.parse_schema(dead.schema)
        self._key_of = np.full(1 << 10, -1, np.int64)
        self.limit = DeadLetterLimit()

    @property
    def source(self) -> str:
        """Topic that the first stage consumes."""
        return self.stages[0].source

    @property
    def inputs(self) -> list[str]:
        """Topics that the pipeline consumes: its source, then the sides of its stages."""
        return [*dict.fromkeys([self.source, *(t for s in self.stages for t in s.sides)])]

    @property
    def sinks(self) -> list[str]:
        """Topics that the stages publish to, the dead letter included."""
        return [*dict.fromkeys(t for s in self.stages for t in s.sinks), DEAD_LETTER]

    def open(self) -> PartitionState:
        """Return the empty state of one partition."""
        states = {stage.name: stage.open() for stage in self.stages}
        first = states[self.stages[0].name]
        first.tables[WINDOW.name] = Table(WINDOW)
        return PartitionState(states)

    def warm(self) -> None:
        """Compile every kernel, or load it compiled, by running a batch of no records.

        Called before a consumer joins its group: compiling for half a minute while it owns partitions holds them up.
        """
        none = np.zeros(0, np.int64)
        empty, ends = np.zeros(0, np.uint8), np.zeros(1, np.int64)
        for topic in self.inputs:
            self.run(self.open(), MessageBatch(topic, 0, empty, ends, empty, ends.copy(), none, none.copy()))
        for topic, codec in self.codecs.items():
            codec.encode(topic, 0, Columns.empty(codec.layout, 0), none)

    def run(self, state: PartitionState, batch: MessageBatch) -> list[EncodedBatch]:
        """Run one batch of one topic and partition; return every record to publish, in order per topic."""
        out: list[EncodedBatch] = []
        readers = self._readers[batch.topic]
        assert readers, f"no stage reads {batch.topic}"
        columns, dead = self._decode(batch, self.stages[readers[0]])
        state.states[self.stages[readers[0]].name].count("dead", len(dead))
        for first in readers:
            dead += self._run_from(first, state, batch, columns, out)
        self._check_limit(state, len(batch), dead)
        if dead:
            key, key_start = pack([k for k, _ in dead])
            payload, start = pack([v for _, v in dead])
            out.append(EncodedBatch(DEAD_LETTER, batch.partition, payload, start, key, key_start))
        return out

    def _run_from(
        self, first: int, state: PartitionState, batch: MessageBatch, columns: Columns, out: list[EncodedBatch]
    ) -> list[tuple[bytes, bytes]]:
        """Run columns through a stage and those after it; add what they publish and return their dead letters."""
        dead: list[tuple[bytes, bytes]] = []
        for i, stage in enumerate(self.stages[first:], first):
            output = stage.step(state.states[stage.name], columns)
            for fate, n in output.counts.items():
                state.states[stage.name].count(fate, n)
            dead += self._dead_letters(stage, batch, columns, output, first=i == first)
            for topic, records in output.records.items():
                if len(records):
                    state.states[stage.name].publish(topic, len(records))
                    for partition, rows in self.placing.split(topic, batch.partition, records):
                        keys = self._keys(rows["symbol_id"])  # type: ignore[arg-type]
                        out.append(self.codecs[topic].encode(topic, partition, rows, keys))
            if i + 1 < len(self.stages):
                source = self.stages[i + 1].source
                columns = output.records.get(source) or Columns.empty(self.codecs[source].layout, 0)
                columns.topic = source
        return dead

    def _check_limit(self, state: PartitionState, rows: int, dead: list[tuple[bytes, bytes]]) -> None:
        window = state.states[self.stages[0].name][WINDOW.name]
        newest = ""
        if dead:
            letter = fastavro.schemaless_reader(io.BytesIO(dead[-1][1][5:]), self._dead_schema, None)
            assert isinstance(letter, dict)
            newest = f"{letter['topic']} offset {letter['offset']}: {letter['reason']}"
        window.dirty[0] = 1
        # A chain counts a record once, however many of its stages refuse what came of it.
        self.limit.add(window.rows, rows, min(len(dead), rows), newest)

    def _decode(self, batch: MessageBatch, reader: Stage) -> tuple[Columns, list[tuple[bytes, bytes]]]:
        codec = self.codecs[batch.topic]
        columns, error = codec.decode(batch)
        columns.offset, columns.logged_ms, columns.topic = batch.offset, batch.timestamp_ms, batch.topic
        if not error.any():
            return columns, []
        check_room(error)
        self._decode_older_versions(batch, columns, error)
        dead = [
            self._dead_letter(reader.name, batch, int(i), _error_class(error[i]), ROW_ERRORS[error[i]])
            for i in np.flatnonzero(error)
        ]
        return columns.take(error == 0), dead

    def _decode_older_versions(self, batch: MessageBatch, columns: Columns, error: U8) -> None:
        """Read rows written with an earlier released version of the same subject, by Avro's schema resolution."""
        codec = self.codecs[batch.topic]
        reader = fastavro.parse_schema(self.registry.current(batch.topic).schema)
        for i in np.flatnonzero(error == UNKNOWN_ID):
            raw = _record(batch, int(i))
            entry = self.registry.ids.get(int.from_bytes(raw[1:5], "big"))
            if entry is None or entry.subject != f"{batch.topic}-value":
                continue
            record, left = _resolve(raw[5:], fastavro.parse_schema(entry.schema), reader)
            if record is None or left:
                continue
            payload, start = pack([wire_record(codec.schema_id, reader, record)])
            one, bad = codec.decode(EncodedBatch(batch.topic, batch.partition, payload, start, *pack([b""])))
            if not bad[0]:
                columns.ints[:, i], columns.floats[:, i], error[i] = one.ints[:, 0], one.floats[:, 0], 0

    def _dead_letters(
        self, stage: Stage, batch: MessageBatch, columns: Columns, output: Output, *, first: bool
    ) -> list[tuple[bytes, bytes]]:
        if not output.rejected:
            return []
        if first:
            # Rows that did not decode are gone from the columns: find each row by its offset.
            position = np.searchsorted(batch.offset, columns.offset[[r.row for r in output.rejected]])
            return [
                self._dead_letter(stage.name, batch, int(i), r.error, r.reason)
                for i, r in zip(position, output.rejected, strict=True)
            ]
        again = columns.take(np.array([r.row for r in output.rejected]))
        keys = self._keys(again["symbol_id"])  # type: ignore[arg-type]
        encoded = self.codecs[stage.source].encode(stage.source, batch.partition, again, keys)
        placed = MessageBatch(
            encoded.topic, encoded.partition, encoded.payload, encoded.start, encoded.key, encoded.key_start,
            again.offset, again.offset,
        )  # fmt: skip
        # It was handed over in memory and has no offset of its own: name the tick that it was made of.
        ticks: I64 = again["raw_offset"]  # type: ignore[assignment]
        return [
            self._dead_letter(stage.name, placed, i, r.error, f"{r.reason} (made of {RAW_TICKS} offset {ticks[i]})")
            for i, r in enumerate(output.rejected)
        ]

    def _dead_letter(self, stage: str, batch: MessageBatch, i: int, error: str, reason: str) -> tuple[bytes, bytes]:
        """Return key and value of the dead letter of record i."""
        whole = batch.key[batch.key_start[i] : batch.key_start[i + 1]].tobytes(), _record(batch, i)
        key, value, cut = cut_to_fit(*whole)
        record = {
            "stage": stage,
            "topic": batch.topic,
            "partition": batch.partition,
            "offset": int(batch.offset[i]),
            "error": error,
            "reason": reason + cut,
            "schema_id": int.from_bytes(value[1:5], "big") if len(value) >= 5 and value[0] == 0 else None,
            "key": key,
            "value": value,
        }
        return key, wire_record(self._dead_id, self._dead_schema, record)

    def _keys(self, symbol_codes: I64) -> I64:
        """Return the code of the partition key of each symbol."""
        if symbol_codes.max() >= len(self._key_of):
            grown = np.full(2 * int(symbol_codes.max()) + 1, -1, np.int64)
            grown[: len(self._key_of)] = self._key_of
            self._key_of = grown
        out: I64 = self._key_of[symbol_codes]
        if out.min() < 0:
            for code in np.unique(symbol_codes[out < 0]).tolist():
                self._key_of[code] = STRINGS.code(partition_key(STRINGS.text(code)))
            out = self._key_of[symbol_codes]
        return out


def _record(batch: EncodedBatch, i: int) -> bytes:
    return batch.payload[batch.start[i] : batch.start[i + 1]].tobytes()


def _error_class(error: int) -> str:
    return "unknown_schema" if error == UNKNOWN_ID else "undecodable"


def _resolve(raw: bytes, writer: Any, reader: Any) -> tuple[dict[str, Any] | None, bool]:
    """Return the record read by schema resolution and whether bytes are left; None where it does not read."""
    stream = io.BytesIO(raw)
    try:
        record = fastavro.schemaless_reader(stream, writer, reader)
    except (EOFError, ValueError, IndexError, KeyError, TypeError, OverflowError, fastavro.read.SchemaResolutionError):
        return None, False
    assert isinstance(record, dict)
    return record, stream.tell() != len(raw)


__all__ = ["DEAD_LETTER", "PartitionState", "Pipeline", "Rejected"]
