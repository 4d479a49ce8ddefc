"""The contracts as data: every schema, topic file and example is there, referenced, readable and compatible."""

import io
import json

import fastavro
import pytest
import yaml
from google.protobuf.descriptor import FieldDescriptor as Proto

from deploy.local.registry import answer
from offline.warehouse.tables import TABLE_OF_TOPIC
from processors import feedback, reference
from processors.errors import ConfigError
from processors.runtime.batch import EncodedBatch, pack
from processors.runtime.codec import FlatCodec, wire_record
from processors.runtime.layout import NotFlatError
from processors.topology import BRANCHES, TOPOLOGY
from schemas.compatibility import MODES, breaks, can_read, incompatibilities
from schemas.registry import ROOT, Registry, load_registry
from serving import generate
from serving.generated import score_pb2 as pb
from serving.messages import record_of
from serving.streams import SIGNALS
from tests.support import SHARED

AVRO = SHARED / "conformance" / "avro"
RECORDS = sorted(path.stem for path in (ROOT / "avro").glob("*.avsc"))
TOPIC_FILES = sorted((ROOT / "topics").glob("*.yaml"))


def known_answers(name: str):
    """Return a file of known answers; skip where they are not here."""
    path = AVRO / name
    if not path.is_file():
        pytest.skip(f"{name}: the conformance files are not here")
    return json.loads(path.read_text())


def schema_of(record: str) -> dict:
    return json.loads((ROOT / "avro" / f"{record}.avsc").read_text())


def examples(record: str) -> list[dict]:
    """Return the examples of a record; bytes stand as Latin-1 text, as Avro's JSON has them."""
    fields = {f["name"]: f["type"] for f in schema_of(record)["fields"]}
    found = json.loads((ROOT / "examples" / f"{record}.json").read_text())
    for example in found:
        for name, value in example.items():
            if isinstance(value, str) and "bytes" in fields.get(name, ()):
                example[name] = value.encode("latin-1")
    return found


def as_batch(values: list[bytes]) -> EncodedBatch:
    return EncodedBatch("t", 0, *pack(values), *pack([b""] * len(values)))


@pytest.mark.parametrize("path", TOPIC_FILES, ids=lambda p: p.stem)
def test_a_topic_file_says_what_is_true(path):
    """A topic file is named by its topic, and its record and examples exist, and it names who writes and reads it."""
    raw = yaml.safe_load(path.read_text())
    assert raw["topic"] == path.stem
    assert raw["record"] in RECORDS
    assert (path.parent / raw["examples"]).resolve() == (ROOT / "examples" / f"{raw['record']}.json").resolve()
    assert raw["cleanup"] in {"delete", "compact", "compact,delete"}
    assert raw["retention_days"] > 0
    assert len(raw["meaning"]) > 20
    rows = TOPOLOGY + BRANCHES
    stages = {row.stage for row in rows}
    assert set(raw["producers"]) <= stages | {"feeds", "feedback", "reference"}
    written = {row.stage for row in rows if path.stem in row.sinks or path.stem == "dead.letter.v1"}
    written |= {"feedback"} if path.stem in feedback.WRITES else set()
    written |= {"reference"} if path.stem in reference.TOPICS else set()
    assert set(raw["producers"]) - {"feeds"} == written
    read = {row.stage for row in rows if path.stem in (row.source, *row.sides)}
    read |= {"sink"} if path.stem in TABLE_OF_TOPIC else set()
    read |= {"serving"} if path.stem == SIGNALS else set()
    read |= {"feedback"} if path.stem in feedback.READS else set()
    read |= {"reference"} if path.stem in reference.TOPICS else set()
    assert set(raw["consumers"]) == read


def test_every_schema_example_and_topic_is_referenced():
    """No schema, example, topic or released version stands unreferenced, and every topic has a locked id."""
    registry = load_registry()
    topics = registry.topics.values()
    assert {t.record for t in topics} == set(RECORDS)
    assert {p.stem for p in (ROOT / "examples").iterdir()} == set(RECORDS)
    assert {f"{t.name}-value" for t in topics} == {e.subject for e in registry.ids.values()}
    assert {row.source for row in TOPOLOGY} | {s for row in TOPOLOGY for s in row.sinks} <= set(registry.topics)
    for topic in topics:
        assert registry.current(topic.name).schema == schema_of(topic.record)


def test_ids_are_unique_and_versions_count_up():
    """Ids are unique, positive, never reused; versions of a subject count from 1 and the last is the current file."""
    locked = json.loads((ROOT / "ids.json").read_text())
    ids = [v["id"] for versions in locked.values() for v in versions]
    assert len(set(ids)) == len(ids)
    assert min(ids) >= 1
    for versions in locked.values():
        assert [v["version"] for v in versions] == list(range(1, len(versions) + 1))
        assert all(v["file"].startswith("released/") for v in versions[:-1])


@pytest.mark.parametrize("record", RECORDS)
def test_examples_are_read_by_both_codecs(record):
    """Two examples of each record, all fields in them, go through fastavro and the flat codec unchanged."""
    schema = schema_of(record)
    parsed = fastavro.parse_schema(schema)
    found = examples(record)
    assert len(found) == 2
    assert found[0] != found[1]
    for example in found:
        assert list(example) == [f["name"] for f in schema["fields"]]
        fastavro.validate(example, parsed, strict=True)
        raw = wire_record(7, parsed, example)
        assert fastavro.schemaless_reader(io.BytesIO(raw[5:]), parsed, None) == example
        try:
            codec = FlatCodec(schema, 7)
        except NotFlatError:
            assert record == "DeadLetter"
            continue
        columns, error = codec.decode(as_batch([raw]))
        assert error.tolist() == [0]
        assert record_of(columns, 0) == example
        encoded = codec.encode("t", 0, columns, columns["symbol_id"])
        assert list(encoded.values()) == [raw]
        assert list(encoded.keys()) == [example["symbol_id"].encode()]


def test_every_field_says_what_it_is():
    """Every field of every schema has a meaning, and a nullable one is null by default."""

    def check(schema: dict, where: str) -> None:
        for field in schema["fields"]:
            here = f"{where}.{field['name']}"
            assert len(field.get("doc", "")) > 5, here
            kind = field["type"]
            assert not isinstance(kind, list) or field.get("default", "none") is None, here
            if isinstance(kind, dict) and kind["type"] == "record":
                check(kind, here)

    for record in RECORDS:
        check(schema_of(record), record)


@pytest.mark.parametrize("topic", sorted(load_registry().topics))
def test_the_current_schema_reads_every_released_version(topic):
    """The current schema reads all that was written with released versions, and no unit changed under a name."""
    registry = load_registry()
    current = registry.current(topic)
    copies = sorted((ROOT / "avro" / "released" / current.subject).glob("v*.avsc"), key=lambda p: int(p.stem[1:]))
    # The newest version has no copy until it is released, and may change until then.
    versions = [f"v{e.version}" for e in registry.versions(current.subject)]
    assert [p.stem for p in copies] in (versions, versions[:-1])
    assert copies
    history = [json.loads(p.read_text()) for p in copies]
    assert breaks("BACKWARD_TRANSITIVE", current.schema, history) == []
    for entry, copy in zip(registry.versions(current.subject), history, strict=False):
        assert _shape(entry.schema) == _shape(copy), f"{entry.subject} v{entry.version} is released: make a new version"
        units = _logical_types(current.schema, "")
        assert all(units.get(k, v) == v for k, v in _logical_types(copy, "").items())


def _shape(schema):
    """Return a schema without its docs: those may be mended after a release."""
    if isinstance(schema, list):
        return [_shape(s) for s in schema]
    if isinstance(schema, dict):
        return {k: _shape(v) for k, v in schema.items() if k != "doc"}
    return schema


def _logical_types(schema: dict, prefix: str) -> dict[str, str | None]:
    """Return the unit of time of every field: a resolution of schemas does not look at it."""
    out: dict[str, str | None] = {}
    for field in schema["fields"]:
        kind = field["type"]
        if isinstance(kind, dict):
            out[prefix + field["name"]] = kind.get("logicalType")
            if kind["type"] == "record":
                out |= _logical_types(kind, f"{prefix}{field['name']}.")
    return out


def test_a_broken_release_is_caught():
    """The guard above catches a field without default, a changed type, a lost enum symbol and a changed unit."""
    old = schema_of("Bar")
    for change, kind in (
        (lambda s: s["fields"].append({"name": "new", "type": "long"}), "reader_field_missing_default_value"),
        (lambda s: s["fields"][4].update(type="long"), "type_mismatch"),
        (lambda s: s.update(name="Candle"), "name_mismatch"),
        (lambda s: s["fields"][12].update(type="double"), "type_mismatch"),
    ):
        new = json.loads(json.dumps(old))
        change(new)
        assert kind in {i.kind for i in breaks("BACKWARD", new, [old])}
    new = json.loads(json.dumps(old))
    new["fields"][0]["type"]["logicalType"] = "timestamp-micros"
    assert can_read(new, old)
    assert _logical_types(new, "") != _logical_types(old, "")


def test_compatibility_agrees_with_the_known_answers():
    """Reader and writer agree with Avro's and a registry's own table, and so do the reasons."""
    for case in known_answers("reader_writer_compatibility.json")["cases"]:
        found = incompatibilities(case["reader"], case["writer"])
        assert (not found) is case["compatible"], case
        assert {i.kind for i in found} == set(case["incompatibility_types"]), case


def test_registry_modes_agree_with_the_known_answers():
    """Each mode gives the known verdict for a history, with the known message; an empty subject is not found."""
    table = known_answers("registry_modes.json")
    assert set(MODES) == set(table["mode_definitions"])
    for case in table["cases"]:
        new = table["schemas"][case["new"]]
        if not case["history"]:
            body = json.dumps({"schema": json.dumps(new)}).encode()
            path = "/compatibility/subjects/absent/versions/latest"
            assert answer(Registry({}, {}), "POST", path, body).status == case["http_status"]
            continue
        history = [table["schemas"][name] for name in case["history"] if not name.endswith("(deleted)")]
        found = breaks(case["mode"], new, history)
        assert (not found) is case["compatible"], case
        if "message" in case:
            assert case["message"] in {i.message for i in found}
    with pytest.raises(ConfigError, match="one of NONE, BACKWARD"):
        breaks("SIDEWAYS", "int", [])


def test_types_that_hold_themselves_are_compared_to_the_end():
    """Recursive types are compared without end, also where the difference hides behind the recursion or a union."""

    def tree(leaf: str, name: str = "Tree"):
        fields = [{"name": "left", "type": ["null", name]}, {"name": "right", "type": ["null", name]}]
        return {"type": "record", "name": name, "fields": [*fields, {"name": "leaf", "type": leaf}]}

    assert can_read(tree("long"), tree("int"))
    assert not can_read(tree("int"), tree("long"))

    # The pair In and In is refuted inside the first branch of a union that the second branch saves; the field after it
    # must be refuted too.
    inner = {"type": "record", "name": "In", "fields": [{"name": "x", "type": "int"}]}
    saved = {"type": "record", "name": "b.P", "fields": [{"name": "j", "type": "int", "default": 0}]}
    reader = {"type": "record", "name": "Out", "fields": [
        {"name": "u", "type": [{"type": "record", "name": "a.P", "fields": [{"name": "i", "type": inner}]}, saved]},
        {"name": "after", "type": "a.In"},
    ]}  # fmt: skip
    wider = {"type": "record", "name": "In", "fields": [{"name": "x", "type": "long"}]}
    writer = {"type": "record", "name": "Out", "fields": [
        {"name": "u", "type": {"type": "record", "name": "P", "fields": [{"name": "i", "type": wider}]}},
        {"name": "after", "type": "In"},
    ]}  # fmt: skip
    assert [(i.kind, i.path) for i in incompatibilities(reader, writer)] == [("type_mismatch", "u/i/x")]
    reader["fields"].pop()
    assert can_read(reader, writer)


def test_the_generated_code_is_that_of_the_proto_files(tmp_path):
    """Generating again gives the files that are checked in, byte for byte."""
    made = generate.generate(tmp_path)
    there = {p.name for p in generate.GENERATED.iterdir() if p.is_file()} - {"__init__.py"}
    assert {p.name for p in made} == there
    for path in made:
        assert path.read_text() == (generate.GENERATED / path.name).read_text(), "run python -m serving.generate"


def test_the_messages_of_a_signal_have_the_fields_of_its_record():
    """Signal has the same field names, nesting and types in Avro and in Protocol Buffers."""
    kinds = {
        "double": Proto.TYPE_DOUBLE,
        "string": Proto.TYPE_STRING,
        "int": Proto.TYPE_INT32,
        "long": Proto.TYPE_INT64,
    }

    def check(schema: dict, message) -> None:
        assert [f["name"] for f in schema["fields"]] == [f.name for f in message.fields]
        for field in schema["fields"]:
            kind, there = field["type"], message.fields_by_name[field["name"]]
            if isinstance(kind, list):
                assert there.has_presence
                assert ["null", there.type] == [kind[0], kinds[kind[1]]]
            elif isinstance(kind, str):
                assert there.type == kinds[kind]
            elif kind["type"] == "record":
                check(kind, there.message_type)
            elif kind["type"] == "array":
                assert there.is_repeated
                assert there.type == kinds[kind["items"]]
            else:
                assert kind["logicalType"] == "timestamp-nanos"
                assert there.message_type.full_name == "google.protobuf.Timestamp"

    check(schema_of("Signal"), pb.Signal.DESCRIPTOR)
