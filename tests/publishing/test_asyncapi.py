"""docs/asyncapi.yaml tells the truth about the records and the topics."""

import json
import time
from typing import Any

import pytest
import yaml
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from django.test import override_settings
from jsonschema_rs import Draft202012Validator, meta
from pytest_django import Settings

from counter.kafka.client import REQUESTS, client_config
from counter.minute import Minute
from counter.redis.clients import connect_for_accept
from counter.sinks.kafka.sync_producer import SyncProducer
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.counts import CountStore
from tasks.events.markers import mark
from tasks.kafka.topics import ID_COUNTS, create_topics
from tests.support.processes import ROOT
from tests.support.reading import headers, messages, records
from tests.support.reset import delete_topics
from tests.support.tally.flushing import accept, next_minute, publish_one, run

ASYNCAPI: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text())
MESSAGES = {"unique-counts": "uniqueCount", "id-counts": "idCount"}
EVENTS = ("event", "marker")


def validator(message: dict[str, Any]) -> Draft202012Validator:
    path = message["payload"]["schema"]["$ref"]
    schema = json.loads((ROOT / "docs" / path).read_text())
    meta.validate(schema)
    return Draft202012Validator(schema, validate_formats=True)


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_real_records_are_as_described(store: CountStore) -> None:
    publish_one(store)
    accept(store, 1, 0, -5, 2**63 - 1, -(2**63))
    with override_settings(COUNTERS=("clicks",)):
        SyncWriter(connect_for_accept()).record(["3f9a", "ä", '"'], "clicks")
    next_minute(store)
    run(store)
    schema = ASYNCAPI["components"]["messages"]["uniqueCount"]["headers"]
    described = Draft202012Validator(schema, validate_formats=True)
    for message in messages("unique-counts"):
        told = headers(message)
        described.validate(told)
        assert told["ce_source"] == f"/tally/{told['tally']}"
        assert told["ce_id"] == (message.key() or b"").decode()
        assert told["ce_time"] == json.loads(message.value() or b"")["published_at"]
    for topic, name in MESSAGES.items():
        message = ASYNCAPI["components"]["messages"][name]
        found = records(topic)
        assert found
        for key, value in found:
            validator(message).validate(json.loads(value))
            Draft202012Validator(message["bindings"]["kafka"]["key"]).validate(key.decode())


@pytest.mark.parametrize("name", [*MESSAGES.values(), *EVENTS])
def test_the_examples_are_as_described_and_may_get_more_fields(name: str) -> None:
    message = ASYNCAPI["components"]["messages"][name]
    check = validator(message)
    for example in message["examples"]:
        check.validate(example["payload"])
        for field in example["payload"].keys() - {"counter"}:
            assert not check.is_valid({k: v for k, v in example["payload"].items() if k != field})
        for field in example["payload"]:
            assert not check.is_valid(example["payload"] | {field: None})
        if name != "marker":
            check.validate(example["payload"] | {"more": 1})


@pytest.mark.usefixtures("kafka")
def test_real_events_and_markers_are_as_described(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ACCEPT_SINK = "kafka"
    monkeypatch.setattr(
        "counter.sinks.kafka.sync_producer.DEADLINE_SECONDS", 30
    )  # the topic is new, and the machine busy
    monkeypatch.setattr("counter.kafka.requests.MESSAGE_TIMEOUT_MS", 30_000)
    create_topics()
    SyncProducer().record([1, 0, -5, 2**63 - 1, -(2**63)])
    SyncProducer().record(["3f9a", "ä"], "clicks")
    mark(Minute.at(time.time()))
    found = records(REQUESTS)
    assert len(found) == 7 + 12
    for key, value in found:
        message = ASYNCAPI["components"]["messages"]["event" if key else "marker"]
        validator(message).validate(json.loads(value))
        Draft202012Validator(message["bindings"]["kafka"]["key"]).validate(key.decode())


@pytest.mark.usefixtures("kafka")
def test_the_topics_are_as_described(settings: Settings) -> None:
    settings.ACCEPT_SINK = "kafka"
    create_topics()
    admin = AdminClient({"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS})
    for topic in (*MESSAGES, REQUESTS):
        described = ASYNCAPI["channels"][topic]["bindings"]["kafka"]
        assert len(admin.list_topics(topic, timeout=30).topics[topic].partitions) == described["partitions"]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        config = admin.describe_configs([resource])[resource].result(30)
        for name, value in described.get("topicConfiguration", {}).items():
            expected = ",".join(value) if isinstance(value, list) else str(value)
            assert config[name].value == expected


@pytest.mark.usefixtures("kafka_process")
@pytest.mark.parametrize(("days", "ms"), [(7, "604800000"), (0, "-1")])
def test_the_counts_of_ids_are_kept_as_long_as_is_said(settings: Settings, days: int, ms: str) -> None:
    settings.ID_COUNTS_RETENTION_DAYS = days
    delete_topics()
    create_topics()
    resource = ConfigResource(ConfigResource.Type.TOPIC, ID_COUNTS)
    with AdminClient(client_config()) as admin:
        assert admin.describe_configs([resource])[resource].result(30)["retention.ms"].value == ms


def test_every_reference_leads_somewhere() -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [ref for child in node.values() for ref in references(child)]
        return [ref for child in node for ref in references(child)] if isinstance(node, list) else []

    for reference in references(ASYNCAPI):
        if reference.startswith("#/"):
            node = ASYNCAPI
            for part in reference.removeprefix("#/").split("/"):
                node = node[part]
        else:
            assert (ROOT / "docs" / reference).is_file()
