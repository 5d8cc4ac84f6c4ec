"""Topics that are not as Tally makes them: found before anything is published, and said everywhere."""

import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import redis
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource
from confluent_kafka.cimpl import NewPartitions, NewTopic
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from pytest_django import Settings

from console.level import Level
from console.panels import registry
from counter.kafka.client import REQUESTS, client_config
from counter.kafka.requests import TRUSTED_TIMES
from counter.minute import Minute
from counter.redis import clock
from counter.sinks.kafka.sync_producer import SyncProducer
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from embedded.kafka import Kafka
from embedded.ports import free_port
from tasks.errors import Halt
from tasks.kafka.shape import look
from tasks.kafka.shape_rules import TRANSACTION_LOG
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS, create_topics
from tasks.publishing import steps
from tests.support.checker import Calls, verify
from tests.support.processes import ServerProcess, wait_until
from tests.support.processes import run as run_process
from tests.support.reading import unique_counts
from tests.support.requests_topic import Requests, consolidating
from tests.support.tally.commands import command, facts
from tests.support.tally.flushing import accept, next_minute, publish_one, run
from tests.support.tally.web import serving

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kafka")]


@pytest.fixture
def admin() -> AdminClient:
    return AdminClient(client_config())


def make_anew(
    admin: AdminClient, topic: str, partitions: int = 1, config: dict[str, str] | None = None
) -> None:
    """The topic as someone else has it made."""
    for future in admin.delete_topics([topic]).values():
        with suppress(KafkaException):  # there was none
            future.result(30)
    wait_until(lambda: topic not in admin.list_topics(timeout=30).topics, "it is gone")
    for future in admin.create_topics([NewTopic(topic, partitions, 1, config=config or {})]).values():
        future.result(30)
    wait_until(lambda: topic in admin.list_topics(timeout=30).topics, "it is there")


def enlarge(admin: AdminClient, topic: str, partitions: int) -> None:
    for future in admin.create_partitions([NewPartitions(topic, partitions)]).values():
        future.result(30)
    wait_until(
        lambda: len(admin.list_topics(topic, timeout=30).topics[topic].partitions) == partitions, "larger"
    )


def configure(admin: AdminClient, topic: str, **config: str) -> None:
    """With `_` for each `.` in the names of settings."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    for name, value in config.items():
        operation = AlterConfigOpType.SET
        entry = ConfigEntry(name.replace("_", "."), value, incremental_operation=operation)
        resource.add_incremental_config(entry)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)
    asked = ConfigResource(ConfigResource.Type.TOPIC, topic)

    def is_known() -> bool:
        entries = admin.describe_configs([asked])[asked].result(30)
        return all(entries[name.replace("_", ".")].value == value for name, value in config.items())

    wait_until(is_known, "the broker knows it")


def halting(admin: AdminClient, store: CountStore) -> list[str]:
    return [finding.text for finding in look(admin, store.client) if finding.halts]


def warnings(admin: AdminClient, store: CountStore) -> list[str]:
    return [finding.text for finding in look(admin, store.client) if not finding.halts]


def test_topics_as_they_are_made_are_as_they_must_be(
    admin: AdminClient, store: CountStore, settings: Settings
) -> None:
    settings.ACCEPT_SINK = "kafka"
    create_topics()
    publish = Producer(client_config() | {"transactional.id": "other"})
    publish.init_transactions()  # so that Kafka has its own topic, too
    assert TRANSACTION_LOG in admin.list_topics(timeout=30).topics
    assert look(admin, store.client) == []
    for topic in (UNIQUE_COUNTS, ID_COUNTS, REQUESTS):
        asked = ConfigResource(ConfigResource.Type.TOPIC, topic)
        flush = admin.describe_configs([asked])[asked].result(30)["flush.messages"]
        assert (flush.value, flush.source) == ("1", ConfigSource.DYNAMIC_TOPIC_CONFIG.value), "its own"


@pytest.mark.parametrize(
    ("topic", "setting", "value", "what"),
    [
        (UNIQUE_COUNTS, "cleanup_policy", "delete", None),  # without a limit it takes nothing away
        (UNIQUE_COUNTS, "retention_ms", "1000", None),  # nor does a limit without it
        (UNIQUE_COUNTS, "max_message_bytes", "100000", "refuses batches"),
        (UNIQUE_COUNTS, "min_insync_replicas", "2", "takes no records"),
        (ID_COUNTS, "cleanup_policy", "compact", "newest record of each id"),
        (ID_COUNTS, "min_insync_replicas", "3", "takes no records"),
        (REQUESTS, "cleanup_policy", "compact,delete", "newest record of each id"),
        (REQUESTS, "message_timestamp_type", "CreateTime", "clocks must not decide"),
        (REQUESTS, "max_message_bytes", "1000", "refuses batches"),
    ],
    ids=lambda value: str(value).replace(" ", "_"),
)
def test_a_setting_that_breaks_a_promise_halts(
    admin: AdminClient,
    store: CountStore,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    topic: str,
    setting: str,
    value: str,
    what: str | None,
) -> None:
    monkeypatch.delitem(TRUSTED_TIMES, "CreateTime", raising=False)
    settings.ACCEPT_SINK = "kafka"
    create_topics()
    configure(admin, topic, **{setting: value})
    found = halting(admin, store)
    if what is None:
        assert found == []
        return
    [text] = found
    assert what in text
    assert f"kafka-configs.sh --bootstrap-server {settings.KAFKA_BOOTSTRAP_SERVERS} --alter" in text
    with pytest.raises(Halt, match=what):
        run(store)
    configure(
        admin, topic, **dict([text.rpartition("--add-config ")[2].split(",")[0].replace(".", "_").split("=")])
    )
    assert halting(admin, store) == [], "what it says to do helps"


@pytest.mark.parametrize(
    "limit", [{"retention.ms": "604800000"}, {"retention.ms": "-1", "retention.bytes": "1000"}]
)
def test_a_topic_that_forgets_minutes_halts(
    admin: AdminClient, store: CountStore, limit: dict[str, str]
) -> None:
    make_anew(admin, UNIQUE_COUNTS, config={"cleanup.policy": "delete"} | limit)
    minute = accept(store, 1)
    next_minute(store)
    with pytest.raises(Halt, match="loses its oldest records"):
        run(store)
    assert unique_counts() == []
    configure(admin, UNIQUE_COUNTS, cleanup_policy="compact", retention_ms="-1")
    assert run(store) == [minute]


def test_what_a_power_cut_may_take_is_a_warning(admin: AdminClient, store: CountStore) -> None:
    configure(admin, UNIQUE_COUNTS, flush_messages="100")
    [text] = warnings(admin, store)
    assert "a power cut loses that" in text
    assert halting(admin, store) == []
    publish_one(store)


def test_three_partitions_halt_until_an_operator_agrees(admin: AdminClient, store: CountStore) -> None:
    """As a consumer has the topic made that subscribes first."""
    make_anew(admin, UNIQUE_COUNTS, 3)
    configure(admin, UNIQUE_COUNTS, cleanup_policy="compact")
    calls = Calls()
    for n in range(3):
        accept(store, n, n, 7)
        calls.ok.update([n, n, 7])
        next_minute(store)
    for _ in range(2):
        with pytest.raises(Halt, match="has 3 partitions instead of one"):
            run(store)
    assert unique_counts() == []
    assert facts("keep_partitions", "--yes") == {"partitions": 3}
    assert len(run(store)) == 3
    verify(calls, store.client)
    enlarge(admin, UNIQUE_COUNTS, 4)
    next_minute_of(store, calls)
    with pytest.raises(Halt, match="has 4 partitions instead of one"):
        run(store)


def test_what_a_consumer_has_made_is_found(
    store: CountStore, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that asks for Tally's topics first, of brokers that make what they are asked for."""
    defaults = {"auto.create.topics.enable": "true", "num.partitions": "3"}
    broker = Kafka(tmp_path, free_port(), properties=defaults)
    settings.KAFKA_BOOTSTRAP_SERVERS = broker.bootstrap_servers
    with run_process(ServerProcess(broker)):
        consumer = Consumer(client_config() | {"group.id": "hasty", "allow.auto.create.topics": True})
        for topic in (UNIQUE_COUNTS, ID_COUNTS):
            consumer.list_topics(topic, timeout=30)
        topics = AdminClient(client_config()).list_topics
        wait_until(lambda: {UNIQUE_COUNTS, ID_COUNTS} <= topics(timeout=5).topics.keys(), "they are made")
        consumer.close()
        call_command("create_topics")
        assert "has 3 partitions instead of one" in capsys.readouterr().err
        accept(store, 1)
        next_minute(store)
        with pytest.raises(Halt, match=r"has 3 partitions instead of one.*; .*loses its oldest records"):
            run(store)
        assert unique_counts() == []


def next_minute_of(store: CountStore, calls: Calls) -> None:
    accept(store, 5)
    calls.ok[5] += 1
    next_minute(store)


def test_a_topic_that_is_enlarged_while_a_minute_is_published_has_it_once(
    admin: AdminClient, store: CountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the look at its shape: the record goes where it is read back, by number."""
    published = [publish_one(store)]
    calls = Calls()
    calls.ok[1] += 1

    def watch(point: str) -> None:
        if point == "2.shape.after" and len(admin.list_topics().topics[UNIQUE_COUNTS].partitions) == 1:
            enlarge(admin, UNIQUE_COUNTS, 12)

    monkeypatch.setattr(steps, "watchers", [watch])
    next_minute_of(store, calls)
    published += run(store)
    assert [minute for minute, _, _ in unique_counts()] == [str(minute) for minute in published]
    for _ in range(6):
        next_minute_of(store, calls)
    with pytest.raises(Halt, match="has 12 partitions"):
        run(store)
    assert len(unique_counts()) == 2
    command("keep_partitions", "--yes")
    run(store)
    assert len(unique_counts()) == 8
    verify(calls, store.client)


def test_partitions_with_records_of_others_are_not_agreed_to(admin: AdminClient, store: CountStore) -> None:
    make_anew(admin, UNIQUE_COUNTS, 2)
    producer = Producer(client_config())
    producer.produce(UNIQUE_COUNTS, b"{}", b"key", 1)
    producer.flush()
    with pytest.raises(CommandError, match="has records in partition 1"):
        command("keep_partitions", "--yes")
    assert PublishingState(store.client).kept_partitions() == 1


def test_it_is_said_everywhere(
    admin: AdminClient, store: CountStore, valkey: redis.Redis, capfd: pytest.CaptureFixture[str]
) -> None:
    what = "has 3 partitions instead of one"
    enlarge(admin, UNIQUE_COUNTS, 3)
    assert what in str([check.msg for check in run_checks(databases=["default"])])
    level, found = registry.read("Kafka")
    assert level is Level.BAD
    assert any(what in fact.value for fact in found)
    with serving("asgi") as url:
        body = httpx.get(f"{url}/readyz").json()
        assert body["status"] == "degraded"
        assert [each["part"] for each in body["problems"]] == ["topics"]
        assert what in body["problems"][0]["problem"]
        PublishingState(store.client).halt(what)
        assert f'tally_publishing_halted_reason{{reason="{what}"}} 1.0' in httpx.get(f"{url}/metrics").text


def test_a_reason_is_forgotten_when_it_is_gone(store: CountStore) -> None:
    PublishingState(store.client).halt("the topic had another shape")
    run(store)
    assert PublishingState(store.client).halted() is None, "though nothing was ever accepted"


def test_a_transaction_that_someone_leaves_open_halts_and_is_named(store: CountStore) -> None:
    published = publish_one(store)
    other = Producer(client_config() | {"transactional.id": "someone-elses"})
    other.init_transactions()
    other.begin_transaction()
    other.produce(UNIQUE_COUNTS, b"{}", b"key", 0)
    other.flush()
    accept(store, 2)
    next_minute(store)
    for _ in range(2):
        with pytest.raises(Halt, match="open on unique-counts since offset 2") as raised:
            run(store)
        assert "kafka-transactions.sh" in str(raised.value)
        assert "abort --topic unique-counts --partition 0 --start-offset 2" in str(raised.value)
    other.abort_transaction()
    assert run(store) == [published + 1]
    assert [minute for minute, _, _ in unique_counts()] == [str(published), str(published + 1)]


def test_a_transaction_that_is_opened_while_a_minute_is_published_doubles_nothing(
    store: CountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The minute is committed behind it, and can't be read back before it ends."""
    published = publish_one(store)
    other = Producer(client_config() | {"transactional.id": "someone-elses"})
    other.init_transactions()
    accept(store, 2)
    next_minute(store)

    def open_one(point: str) -> None:
        if point == "6b.begin.after":
            other.begin_transaction()
            other.produce(UNIQUE_COUNTS, b"{}", b"key", 0)
            other.flush()

    with monkeypatch.context() as patch:
        patch.setattr(steps, "watchers", [open_one])
        patch.setattr("tasks.kafka.reader.ASK_SECONDS", 3.0)
        with pytest.raises(Exception, match="could not be read to its end"):
            run(store)
    with pytest.raises(Halt, match="open on unique-counts since offset 2"):
        run(store)
    other.abort_transaction()
    run(store)
    assert [minute for minute, _, _ in unique_counts()] == [str(published), str(published + 1)]
    assert store.pending() == []


@pytest.fixture
def by_callers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Requests:
    """A topic of events that has its callers' times, as the cluster's defaults make it."""
    settings.ACCEPT_SINK = "kafka"
    topic = Requests(timestamps="LogAppendTime")
    configure(AdminClient(client_config()), REQUESTS, message_timestamp_type="CreateTime")
    monkeypatch.delitem(TRUSTED_TIMES, "CreateTime", raising=False)
    monkeypatch.setattr(
        "counter.sinks.kafka.sync_producer.DEADLINE_SECONDS", 30
    )  # the topic is new, the machine busy
    monkeypatch.setattr("counter.kafka.requests.MESSAGE_TIMEOUT_MS", 30_000)
    return topic


def test_events_with_their_callers_times_wait_until_the_broker_gives_them(
    by_callers: Requests, admin: AdminClient, store: CountStore, valkey: redis.Redis
) -> None:
    """Accepting goes on; what came without a time counts when time goes on, once."""
    first = Minute.at(clock.now(store.client))
    by_callers.append(0, time.time() + 1800, 1, 1, 2)  # by a clock that is ahead
    SyncProducer().record([3])
    with consolidating() as [consolidator]:
        wait_until(lambda: "clocks must not decide" in consolidator._waiting.reason, "it says why it waits")
        with pytest.raises(Halt, match="clocks must not decide"):
            run(store)
        assert store.pending() == []
        configure(admin, REQUESTS, message_timestamp_type="LogAppendTime")
        by_callers.wait_counted(valkey)
    pending = store.pending()
    assert sum(each.total for each in store.stats(pending)) == 4
    assert all(first <= minute <= Minute.at(clock.now(store.client)) for minute in pending)


def test_events_with_their_callers_times_in_the_middle_count_in_the_logs_time(
    settings: Settings,
    admin: AdminClient,
    store: CountStore,
    valkey: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.ACCEPT_SINK = "kafka"
    topic = Requests(timestamps="LogAppendTime")
    monkeypatch.delitem(TRUSTED_TIMES, "CreateTime", raising=False)
    with consolidating() as [consolidator]:
        topic.append(0, 0, 1)
        topic.wait_counted(valkey)
        [minute] = store.pending()
        configure(admin, REQUESTS, message_timestamp_type="CreateTime")
        topic.append(0, time.time() + 1800, 1, 2)
        wait_until(lambda: "clocks must not decide" in consolidator._waiting.reason, "it says why it waits")
        assert store.stats([minute])[0].total == 1
        configure(admin, REQUESTS, message_timestamp_type="LogAppendTime")
        topic.wait_counted(valkey)
    assert store.pending() == [minute]
    assert store.stats([minute])[0].total == 3
