"""The flat codec against fastavro and the wire format: same bytes, same refusals, no crash on any bytes."""

import io
import json
import math
import struct

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors.runtime import codec as c
from processors.runtime import layout as lo
from processors.runtime.codec import FlatCodec, wire_record
from processors.runtime.layout import NotFlatError, layout_of
from schemas.registry import load_registry
from serving.messages import record_of
from serving.records import RecordDecoder, UndecodableError
from tests.contract.test_schemas import RECORDS, as_batch, examples, known_answers, schema_of

ID = 7
LONGS = st.integers(-(2**63), 2**63 - 1)
EDGES = st.sampled_from([0, 1, -1, 63, 64, -64, -65, 2**31 - 1, -(2**31), 2**62, 2**63 - 1, -(2**63) + 1])
# Surrogates have no UTF-8.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MANY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def is_flat(record: str) -> bool:
    try:
        layout_of(schema_of(record))
    except NotFlatError:
        return False
    return True


FLAT = [record for record in RECORDS if is_flat(record)]
CODECS = {record: (FlatCodec(schema_of(record), ID), fastavro.parse_schema(schema_of(record))) for record in FLAT}


def values_of(kind) -> st.SearchStrategy:
    """Return the values of a type that travel unchanged: a nullable is never NaN or the least long."""
    if isinstance(kind, list):
        inner = next(k for k in kind if k != "null")
        kept = values_of(inner).filter(lambda v: v == v and v != -(2**63))  # noqa: PLR0124 - NaN
        return st.none() | kept
    if isinstance(kind, dict):
        if kind["type"] == "record":
            return st.fixed_dictionaries({f["name"]: values_of(f["type"]) for f in kind["fields"]})
        if kind["type"] == "enum":
            return st.sampled_from(kind["symbols"])
        if kind["type"] == "array":
            return (
                st.lists(TEXT, max_size=4) if kind["items"] == "string" else st.lists(st.integers(0, 127), max_size=32)
            )
        return values_of(kind["type"])
    return {
        "long": LONGS | EDGES,
        "int": st.integers(-(2**31), 2**31 - 1),
        "double": st.floats(),
        "boolean": st.booleans(),
        "string": TEXT,
    }[kind]


def decode_one(record: str, raw: bytes):
    """Return the row error, and the record where there is none."""
    columns, error = CODECS[record][0].decode(as_batch([raw]))
    return int(error[0]), None if error[0] else record_of(columns, 0)


def fastavro_reads(record: str, raw: bytes):
    """Return the record of fastavro where it reads all the bytes, else None."""
    stream = io.BytesIO(raw[5:])
    try:
        found = fastavro.schemaless_reader(stream, CODECS[record][1], None)
    except (EOFError, ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError):
        return None
    return found if stream.tell() == len(raw) - 5 else None


def same(one, other) -> bool:
    """Return whether two values are equal, bits of doubles included; a null double is NaN, the least long is null."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if one is None or other is None:
        return all(v is None or v == -(2**63) or (isinstance(v, float) and math.isnan(v)) for v in (one, other))
    if isinstance(one, float):
        return struct.pack("<d", one) == struct.pack("<d", other) or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and one == other


def agree(record: str, raw: bytes) -> None:
    """Check one value: what we take, fastavro takes as the same; what fastavro writes back unchanged, we take."""
    error, ours = decode_one(record, raw)
    theirs = fastavro_reads(record, raw)
    if error == c.OK:
        assert theirs is not None, "taken by us, refused by fastavro"
        assert same(ours, theirs)
    elif theirs is not None and error != c.NO_ROOM:
        # fastavro takes what the format forbids (a boolean of 2, an enum of -1, an int of 40 bits): it does not come
        # back from it as it was. What does come back may only have been too long or too large for us.
        try:
            back = wire_record(ID, CODECS[record][1], theirs)
        except (ValueError, OverflowError, TypeError, struct.error):
            return
        is_ours = error in (c.BAD_STRING, c.BAD_SMALL_INTS)
        assert back != raw or is_ours, f"refused by us ({c.ROW_ERRORS[error]}), canonical for fastavro"


@pytest.mark.parametrize("record", FLAT)
def test_both_codecs_give_the_same_bytes_in_both_directions(record):
    """Any record: fastavro's bytes decode to the same values and encode to the same bytes, alone and in a batch."""
    codec, parsed = CODECS[record]

    @MANY
    @given(
        st.lists(values_of(schema_of(record)), min_size=1, max_size=1 if len(str(schema_of(record))) > 50_000 else 5)
    )
    def check(rows):
        raw = [wire_record(ID, parsed, row) for row in rows]
        columns, error = codec.decode(as_batch(raw))
        assert error.tolist() == [0] * len(rows)
        assert all(same(record_of(columns, i), row) for i, row in enumerate(rows))
        encoded = list(codec.encode("t", 0, columns, columns["symbol_id"]).values())
        assert encoded == raw

    check()


@pytest.mark.parametrize("record", FLAT)
def test_a_truncation_anywhere_is_refused(record):
    """An example cut at any byte is refused, as is one with a byte more; and the rows beside it are not harmed."""
    codec, parsed = CODECS[record]
    whole = wire_record(ID, parsed, examples(record)[0])
    cuts = [whole[:i] for i in range(len(whole))] + [whole + b"\0"]
    raw = [value for cut in cuts for value in (cut, whole)]
    columns, error = codec.decode(as_batch(raw))
    assert (error[0::2] != 0).all()
    assert (error[1::2] == 0).all()
    assert error[:10:2].tolist() == [c.SHORT] * 5
    assert error[-2] == c.LEFT_OVER
    assert same(record_of(columns, len(raw) - 1), record_of(columns, 1))
    for cut in cuts:
        agree(record, cut)


@pytest.mark.parametrize("record", FLAT)
def test_any_bytes_are_read_or_refused_as_fastavro_does(record):
    """Random bytes, and a true record with any byte changed, end in the same verdict as fastavro's."""
    _, parsed = CODECS[record]
    header = b"\0" + ID.to_bytes(4, "big")
    whole = wire_record(ID, parsed, examples(record)[0])

    @MANY
    @given(st.binary(max_size=80))
    def random_bytes(body):
        agree(record, header + body)

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.tuples(st.integers(5, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=4))
    def changed(changes):
        raw = bytearray(whole)
        for at, value in changes:
            raw[at] = value
        agree(record, bytes(raw))

    random_bytes()
    changed()


def _one_field(kind) -> FlatCodec:
    return FlatCodec({"type": "record", "name": "One", "fields": [{"name": "f", "type": kind}]}, ID)


def _error_of(kind, body_hex: str) -> str:
    raw = b"\0" + ID.to_bytes(4, "big") + bytes.fromhex(body_hex)
    _, error = _one_field(kind).decode(as_batch([raw]))
    return c.ROW_ERRORS[error[0]]


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("long", "ffffffffffffffffff01", ""),
        ("long", "ffffffffffffffffff03", "integer longer"),
        ("long", "80808080808080808080", "integer longer"),
        ("long", "8080808080808080808000", "integer longer"),
        ("long", "80", "ends early"),
        ("int", "ffffffff0f", ""),
        ("int", "8080808010", "integer longer"),
        ("boolean", "02", "boolean"),
        ("boolean", "ff", "boolean"),
        ("string", "01", "negative length"),
        ("string", "8240", "string longer"),
        ("string", "02ff", "not UTF-8"),
        ("string", "06eda080", "not UTF-8"),
        ("string", "ffffffffffffffffff01", "string longer"),
        (["null", "double"], "01", "union"),
        (["null", "double"], "04", "union"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "01", "enum"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "04", "enum"),
        ({"type": "array", "items": "string"}, "0202ff00", "not UTF-8"),
        ({"type": "array", "items": "string"}, "0204ff", "ends early"),
        ({"type": "array", "items": "string"}, "02020000", ""),
        ({"type": "array", "items": "string"}, "0104020000", ""),
        ({"type": "array", "items": "string"}, "ffffffffffffffffff0100", "string longer"),
        ({"type": "array", "items": "string"}, "ffffffffffffffffff0102", "string longer"),
        ({"type": "array", "items": "string"}, "feffffffffffffffff01", "string longer"),
        ({"type": "array", "items": "int"}, "04fe010000", ""),
        ({"type": "array", "items": "int"}, "0302fe010000", ""),
        ({"type": "array", "items": "int"}, "02fe01020200", ""),
        ({"type": "array", "items": "int"}, "02800200", "not from 0 to 127"),
        ({"type": "array", "items": "int"}, "020100", "not from 0 to 127"),
        ({"type": "array", "items": "int"}, "40" + "02" * 32 + "00", ""),
        ({"type": "array", "items": "int"}, "42" + "02" * 33 + "00", "more than 32"),
        ({"type": "array", "items": "int"}, "40" + "02" * 32 + "020200", "more than 32"),
        ({"type": "array", "items": "int"}, "feffffffffffffffff01", "more than 32"),
        ({"type": "array", "items": "int"}, "ffffffffffffffffff0100", "more than 32"),
        ({"type": "array", "items": "int"}, "0402", "ends early"),
    ],
)
def test_extreme_bodies_are_refused_by_name(kind, body, words):
    """Extreme lengths, counts, indexes and encodings are refused with the rule's name; the limit itself is allowed."""
    found = _error_of(kind, body)
    assert (words in found) if words else found == ""


def test_what_must_be_rejected_is_rejected():
    """The published bad encodings are refused by the flat codec and by the decoder of all records."""
    for vector in known_answers("must_reject_binary.json")["vectors"]:
        kind = json.loads(vector["schema"])
        if "int" in kind and isinstance(kind, list):
            kind = [k.replace("int", "long") for k in kind]
        if kind == "bytes":
            kind = "string"
        assert _error_of(kind, vector["bytes_hex"]), vector["name"]
    decoder = RecordDecoder(load_registry())
    dead = load_registry().current("dead.letter.v1")
    good = wire_record(dead.id, fastavro.parse_schema(dead.schema), examples("DeadLetter")[0])
    assert decoder.decode(good)["error"] == examples("DeadLetter")[0]["error"]
    for bad in (b"", good[:4], b"\1" + good[1:], b"\0\0\0\x7f\xff" + good[5:], good + b"\0"):
        with pytest.raises(UndecodableError):
            decoder.decode(bad)
    for i in range(5, len(good)):
        with pytest.raises(UndecodableError):
            decoder.decode(good[:i])


def test_the_wire_format_is_the_published_one():
    """Our header is the published one, byte for byte; other framings are refused by their first byte."""
    longs = {"type": "record", "name": "R", "fields": [{"name": n, "type": "long"} for n in "abc"]}
    nothing = {"type": "record", "name": "Nothing", "fields": []}
    for case in known_answers("wire_format.json"):
        raw = bytes.fromhex(case["bytes_hex"])
        if case["scheme"] == "prefix v0":
            assert raw[:5] == b"\0" + case["schema_id"].to_bytes(4, "big")
            codec = FlatCodec(longs, case["schema_id"])
            columns, error = codec.decode(as_batch([raw]))
            if "payload_hex" in case:
                assert error.tolist() == [0]
                record = record_of(columns, 0)
                assert record == {"a": 1, "b": -2, "c": 2}
                assert wire_record(case["schema_id"], fastavro.parse_schema(longs), record) == raw
                assert list(codec.encode("t", 0, columns, columns["a"][:0]).values()) == [raw]
            else:
                assert error.tolist() == [c.TRUNCATED]
                assert wire_record(case["schema_id"], fastavro.parse_schema(nothing), {}) == raw
        elif case["scheme"].startswith("guid"):
            _, error = FlatCodec(longs, 1).decode(as_batch([raw]))
            assert error.tolist() == [c.NO_MAGIC]


def test_the_header_is_checked_before_the_body():
    """A short header, another magic byte and another id each have their own error, whatever follows."""
    body = wire_record(ID, CODECS["Bar"][1], examples("Bar")[0])[5:]
    _, error = CODECS["Bar"][0].decode(
        as_batch([b"\0\0\0\0", b"\1\0\0\0\7" + body, b"\0\0\0\1\7" + body, b"\0\0\0\0\7" + body])
    )
    assert error.tolist() == [c.SHORT, c.NO_MAGIC, c.UNKNOWN_ID, c.OK]


@pytest.mark.parametrize(
    "kind", ["bytes", "float", {"type": "map", "values": "long"}, ["null", "int"], ["long", "double"]]
)
def test_what_columns_do_not_cover_is_refused_at_start(kind):
    """A type without column form is refused when the codec is made, not when a record comes."""
    with pytest.raises(NotFlatError, match="field f"):
        lo.layout_of({"fields": [{"name": "f", "type": kind}]})
