"""Stock Confluent clients read our schemas from the registry's calls, and cannot change them."""

import http.client
import io
import json
import socket
import struct
import threading

import fastavro
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from deploy.local.registry import answer
from deploy.local.registry_server import make_server
from schemas.registry import Registry, SchemaEntry, load_registry

TICK_1 = {"type": "record", "name": "Tick", "fields": [{"name": "price", "type": "double"}]}
TICK_2 = {
    "type": "record",
    "name": "Tick",
    "fields": [{"name": "price", "type": "double"}, {"name": "size", "type": "double", "default": 0.0}],
}
BROKEN = {"type": "record", "name": "Tick", "fields": [{"name": "venue", "type": "string"}]}
SUBJECT = "ticks.test-value"


@pytest.fixture
def registry():
    entries = [SchemaEntry(11, SUBJECT, 1, json.dumps(TICK_1)), SchemaEntry(12, SUBJECT, 2, json.dumps(TICK_2))]
    return Registry({entry.id: entry for entry in entries}, {})


@pytest.fixture
def port(registry):
    server = make_server(registry, socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client(port):
    with SchemaRegistryClient({"url": f"http://127.0.0.1:{port}"}) as stock:
        yield stock


def test_a_stock_deserializer_reads_a_record_by_its_id(client):
    """A stock deserializer reads a record in the Confluent wire format by the id in it."""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, TICK_2, {"price": 70.1, "size": 3.0})
    message = struct.pack(">bI", 0, 12) + body.getvalue()
    read = AvroDeserializer(client)(message, SerializationContext("ticks.test", MessageField.VALUE))
    assert read == {"price": 70.1, "size": 3.0}


def test_a_stock_serializer_finds_a_known_schema_by_registering_it(client):
    """A stock serializer that registers a known schema gets its locked id."""
    write = AvroSerializer(client, json.dumps(TICK_1))
    message = write({"price": 1.5}, SerializationContext("ticks.test", MessageField.VALUE))
    assert struct.unpack(">bI", message[:5]) == (0, 11)


def test_subjects_versions_and_look_ups_agree(client):
    """Subjects, versions, latest and look-up by schema name the same entries."""
    assert client.get_subjects() == [SUBJECT]
    assert client.get_versions(SUBJECT) == [1, 2]
    assert client.get_latest_version(SUBJECT).schema_id == 12
    assert client.get_version(SUBJECT, 1).schema_id == 11
    assert client.lookup_schema(SUBJECT, Schema(json.dumps(TICK_1), "AVRO")).version == 1
    assert client.get_compatibility() == "BACKWARD"


def test_a_new_schema_is_refused_with_the_file_to_change(client):
    """A new schema is refused, and the message names the file in which ids are locked."""
    with pytest.raises(SchemaRegistryError, match=r"schemas/ids\.json") as refusal:
        client.register_schema(SUBJECT, Schema(json.dumps(BROKEN), "AVRO"))
    assert (refusal.value.http_status_code, refusal.value.error_code) == (422, 42205)


def test_a_known_schema_under_another_subject_is_refused(client):
    """A known schema is not taken for another subject: ids belong to a subject's version."""
    with pytest.raises(SchemaRegistryError, match="Subject other-value"):
        client.register_schema("other-value", Schema(json.dumps(TICK_1), "AVRO"))


@pytest.mark.parametrize(("schema", "verdict"), [(TICK_2, True), (TICK_1, True), (BROKEN, False)])
def test_compatibility_is_judged_against_the_latest_version(client, schema, verdict):
    """A schema is compatible if it reads what the latest one wrote."""
    assert client.test_compatibility(SUBJECT, Schema(json.dumps(schema), "AVRO")) is verdict


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/subjects/none-value/versions", b"", 40401),
        ("GET", "/subjects/none-value/versions/latest", b"", 40401),
        ("GET", f"/subjects/{SUBJECT}/versions/9", b"", 40402),
        ("GET", f"/subjects/{SUBJECT}/versions/zwei", b"", 42202),
        ("GET", "/schemas/ids/99", b"", 40403),
        ("GET", "/schemas/ids/x", b"", 404),
        ("GET", "/nonsense", b"", 404),
        ("DELETE", "/subjects", b"", 404),
        ("POST", f"/subjects/{SUBJECT}", json.dumps({"schema": json.dumps(BROKEN)}).encode(), 40403),
        ("POST", "/subjects/none-value", json.dumps({"schema": '"int"'}).encode(), 40401),
        ("POST", f"/subjects/{SUBJECT}/versions", b"\xff\x00", 42201),
        ("POST", f"/subjects/{SUBJECT}/versions", b"[]", 42201),
        ("POST", f"/subjects/{SUBJECT}/versions", b'{"schema": "{}"}', 42201),
        ("POST", f"/subjects/{SUBJECT}/versions", b'{"schemaType": "PROTOBUF", "schema": "\\"int\\""}', 42201),
    ],
)
def test_faults_have_confluents_codes(registry, method, path, body, code):
    """A wrong request is answered with Confluent's own error code, and never breaks the server."""
    reply = answer(registry, method, path, body)
    assert reply.body["error_code"] == code
    assert reply.status == int(str(code)[:3])


def test_a_request_without_a_bounded_body_is_refused(port):
    """A request whose body has no length, or too great a one, is refused unread."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("POST", f"/subjects/{SUBJECT}/versions")
    connection.putheader("Content-Length", str(1 << 40))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_every_released_schema_is_served():
    """Every released schema of the repository is served under its locked id."""
    released = load_registry()
    assert released.ids
    for number, entry in released.ids.items():
        assert answer(released, "GET", f"/schemas/ids/{number}").body == {"schema": entry.schema_json}
