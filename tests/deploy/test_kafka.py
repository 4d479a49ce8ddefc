"""The embedded broker is a real one: it keeps data, names its faults and ends with its parent."""

from deploy.local.kafka import EmbeddedKafka
from confluent_kafka import Consumer, Producer


def read_all(bootstrap_servers: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap_servers, "group.id": topic + "g", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    values = [m.value() for m in consumer.consume(count, timeout=20)]
    consumer.close()
    return values


def test_produce_and_consume(bootstrap_servers, make_topics):
    [topic] = make_topics("a", partitions=1)
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    for i in range(10):
        producer.produce(topic, str(i).encode())
    producer.flush(10)
    assert read_all(bootstrap_servers, topic, 10) == [str(i).encode() for i in range(10)]
