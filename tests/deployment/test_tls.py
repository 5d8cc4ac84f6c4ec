"""TLS and passwords: every program works with servers that demand them, and says why where it does not."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import redis
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from pytest_django import Settings

from counter.accepting.accept_call import PATH
from counter.kafka.client import REQUESTS, LastError, client_config
from counter.minute import Minute
from counter.monitoring.health import kafka_problems, redis_problems
from counter.redis import clock
from counter.redis.clients import connect_for_accept
from counter.sinks.kafka.sync_producer import SyncProducer
from counter.sinks.outcome import Unavailable
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from counter.task_names import FLUSH
from embedded.ports import free_port
from embedded.valkey import Valkey
from tasks.errors import KafkaAway
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS
from tasks.output.transaction import TRANSACTIONAL_ID, Transaction
from tests.support.access.acl import users
from tests.support.access.certificates import Authority, Certificate
from tests.support.needs import program
from tests.support.processes import BIN, ROOT, ServerProcess, run, wait_until
from tests.support.programs import Program, tally
from tests.support.servers.endpoint import ok, receiving
from tests.support.servers.postgres import USER, Postgres
from tests.support.servers.secure_kafka import SecureKafka
from tests.support.tally.web import manage, metric, migrate, serving

RECEIVER = free_port()
"""Where the endpoint of a callback listens."""

PASSWORD = "not-to-be-seen"  # of every role, everywhere
SINCE_7_2 = ("+waitaof", "+client|setinfo")  # and this may be the 7.0 of a distribution
KAFKA_ROLES = ("web", "worker", "consolidator", "audit", "admin")
# Of the topics what each may do; whatever is not here is forbidden.
RIGHTS = {
    "web": {"write requests", "read unique-counts", "read id-counts"},
    "worker": {
        *(f"{may} {topic}" for may in ("read", "write") for topic in (REQUESTS, UNIQUE_COUNTS, ID_COUNTS))
    },
    "consolidator": {"read requests", "read unique-counts"},
    "audit": {"read requests", "read unique-counts", "read id-counts"},
    "admin": {"read requests", "read unique-counts"},
}
TOPICS = {REQUESTS, UNIQUE_COUNTS, ID_COUNTS}
REFUSED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
THREADS, ROUNDS = 8, 5
EVENT_MODE = {"ACCEPT_SINK": "kafka"}


class TlsRedis(Valkey):
    """Speaks TLS alone, to whoever has a certificate and the password. The Valkey that comes along can't."""

    def __init__(self, home: Path, authority: Authority) -> None:
        home.mkdir()
        signed = authority.sign("redis")
        self._authority, self._client = authority, authority.sign("tally")
        (home / "users.acl").write_text(users(PASSWORD, *SINCE_7_2))
        directives = {
            "tls-port": str(free_port()),
            "tls-cert-file": str(signed.certificate),
            "tls-key-file": str(signed.key),
            "tls-ca-cert-file": str(authority.ca.certificate),
            "tls-auth-clients": "yes",
            "aclfile": str(home / "users.acl"),
        }
        super().__init__(home, 0, directives)
        self.tls_port = directives["tls-port"]

    def url_for(self, role: str, password: str = PASSWORD) -> str:
        return f"rediss://tally-{role}:{password}@localhost:{self.tls_port}/0"

    def env(self, role: str) -> dict[str, str]:
        """Of a program of Tally's in that role."""
        return {
            "REDIS_URL": self.url_for(role),
            "REDIS_SSL_CA": str(self._authority.ca.certificate),
            "REDIS_SSL_CERT": str(self._client.certificate),
            "REDIS_SSL_KEY": str(self._client.key),
        }

    @property
    def command(self) -> list[str]:
        return [program("redis-server", "redis-server"), *super().command[1:]]

    def tls(self, authority: Authority | None = None) -> dict[str, str]:
        """What a client of redis-py needs beside the url."""
        return {
            "ssl_ca_certs": str((authority or self._authority).ca.certificate),
            "ssl_certfile": str(self._client.certificate),
            "ssl_keyfile": str(self._client.key),
        }

    def connect(self) -> redis.Redis:
        return redis.Redis.from_url(self.url_for("admin"), **self.tls())

    def is_ready(self) -> bool:
        try:
            return bool(self.connect().ping())
        except redis.RedisError:
            return False


class TlsPostgres(Postgres):
    """Speaks TLS alone, to whoever has the password."""

    def __init__(self, signed: Certificate) -> None:
        super().__init__(ssl="on", ssl_cert_file="../server.crt", ssl_key_file="../server.key")
        self._signed = signed

    def prepare(self) -> None:
        super().prepare()
        self.put("server.crt", self._signed.certificate.read_text())
        self.put("server.key", self._signed.key.read_text())
        self.allow("local all all trust", "hostssl all all 127.0.0.1/32 scram-sha-256")

    def set_password(self) -> None:
        statement = f"ALTER USER {USER} PASSWORD '{PASSWORD}'"
        self.run("psql", "-h", str(self.home), "-p", str(self.port), "-U", USER, "-c", statement)

    def url_for(self, authority: Authority, password: str = PASSWORD) -> str:
        options = f"sslmode=verify-full&sslrootcert={authority.ca.certificate}"
        return f"postgres://{USER}:{password}@localhost:{self.port}/{USER}?{options}"


@dataclass
class Servers:
    """All three."""

    redis: TlsRedis
    kafka: SecureKafka
    postgres: TlsPostgres
    authority: Authority
    stranger: Authority
    """Somebody else's, who signed none of them."""

    def env(self, role: str) -> dict[str, str]:
        """Of a program of Tally's in that role."""
        env = {
            "DATABASE_URL": self.postgres.url_for(self.authority),
            "CALLBACK_ALLOWED_HOSTS": f"127.0.0.1:{RECEIVER}",
        }
        return env | self.redis.env(role) | self.kafka.env(f"tally-{role}", PASSWORD)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    home = tmp_path_factory.mktemp("tls")
    authority = Authority(home / "authority")
    servers = Servers(
        TlsRedis(home / "redis", authority),
        SecureKafka(home / "kafka", authority),
        TlsPostgres(authority.sign("postgres")),
        authority,
        Authority(home / "stranger"),
    )
    with ExitStack() as stack:
        stack.callback(servers.postgres.remove)
        for server in (servers.redis, servers.kafka, servers.postgres):
            stack.enter_context(run(ServerProcess(server)))
        servers.postgres.set_password()
        for role in KAFKA_ROLES:
            servers.kafka.add_user(f"tally-{role}", PASSWORD)
        servers.kafka.allow()
        yield servers


@pytest.fixture
def topics(servers: Servers) -> None:
    """All of them, new and empty, as an administrator makes them; and an empty Redis."""
    everything = AdminClient(servers.kafka.config())

    def there() -> set[str]:
        return TOPICS & set(everything.list_topics(timeout=10).topics)

    for future in everything.delete_topics(list(TOPICS)).values():
        with suppress(KafkaException):  # there was none
            future.result(30)
    wait_until(lambda: not there(), "they are gone")
    servers.redis.connect().flushall()
    manage("create_topics", **servers.env("admin"), **EVENT_MODE)
    wait_until(lambda: there() == TOPICS, "they are there")


@pytest.mark.usefixtures("topics")
def test_every_program_works(servers: Servers, tmp_path: Path) -> None:
    celery = [str(BIN / "celery"), "-A", "project"]
    options = ("-A", "project", "worker", "--concurrency", "1")  # of all queues
    worker = Program("celery", *options, log=tmp_path / "worker", env=servers.env("worker"))
    beat = tally("beat", log=tmp_path / "beat", env=servers.env("beat"))
    admin = servers.env("admin")
    migrate(**admin)
    with (
        run(worker),
        run(beat),
        serving("web", 1, **servers.env("web")) as url,
        servers.redis.connect() as client,
    ):
        wait_until(
            lambda: httpx.get(f"{url}/readyz").json()["problems"] == [],
            "web reaches Redis and Kafka",
        )
        with receiving(ok, RECEIVER) as receiver:
            assert httpx.get(f"{url}{PATH}", params={"id": 42, "endpoint": receiver.url}).text == "ok"
            assert receiver.got.get(timeout=60)[2]["unique"] == 1  # type: ignore[index]
        assert httpx.post(f"{url}/api/v1/accept/", json={"ids": [43, 44]}).is_success
        store = CountStore.known(client)
        PublishingState(store.client).begin_at(store.pending()[0])
        store.seal(store.pending()[-1])
        subprocess.run([*celery, "call", FLUSH], cwd=ROOT, env=os.environ | admin, check=True)
        assert next(unique_counts(servers.kafka)).startswith(b'{"minute": "')
        wait_until(lambda: not store.pending(), "the worker has published it")
        wait_until(lambda: client.exists(keys.BEAT), "a beat leads")
        history = "from counter.models import PublishedMinute as P; print(P.objects.count())"
        shell = ("shell", "--verbosity=0", "--command", history)
        wait_until(lambda: int(manage(*shell, **admin)) >= 1, "the database knows of the minute")
        assert client.acl_log() == [], "what a role needs, it may do"
    assert PASSWORD not in worker.output + beat.output


@pytest.mark.slow
@pytest.mark.usefixtures("topics")
def test_every_program_works_in_event_mode(servers: Servers, tmp_path: Path) -> None:
    env = {role: servers.env(role) | EVENT_MODE for role in KAFKA_ROLES if role != "audit"}
    worker = tally("worker", log=tmp_path / "worker", env=env["worker"])
    metrics = {"METRICS_PORT": str(free_port()), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics")}
    consolidator = tally("consolidate", log=tmp_path / "consolidate", env=env["consolidator"] | metrics)
    migrate(**env["admin"])
    first = Minute.at(time.time())
    with (
        run(worker),
        run(consolidator),
        serving("web", 1, **env["web"]) as url,
        servers.redis.connect() as client,
    ):
        wait_until(lambda: httpx.get(f"{url}{PATH}?id=42").text == "ok", "web appends calls")
        wait_until(
            lambda: httpx.post(f"{url}/api/v1/accept/", json={"ids": [43, 44]}).is_success, "and batches"
        )
        last = Minute.at(time.time())
        wait_until(lambda: last < Minute.at(clock.now(client)), "their minute is over", 90)
        celery = [str(BIN / "celery"), "-A", "project", "call", "tasks.markers.mark_minute"]
        subprocess.run(celery, cwd=ROOT, env=os.environ | env["admin"], check=True)
        minute = Minute.parse(json.loads(next(unique_counts(servers.kafka)))["minute"])
        assert first <= minute <= last
        told = f"http://127.0.0.1:{metrics['METRICS_PORT']}"
        wait_until(lambda: metric(told, "tally_consolidated_events_total") >= 3, "the consolidator tells")
        assert client.acl_log() == [], "what a role needs, it may do"
    audit = json.loads(
        manage("audit_minutes", str(minute), "--json", **servers.kafka.env("tally-audit", PASSWORD))
    )
    assert audit["differences"] == []


@pytest.mark.usefixtures("topics")
def test_a_role_may_do_no_more_in_kafka(servers: Servers) -> None:
    for role, rights in RIGHTS.items():
        group = "tally-audit" if role == "audit" else "tally-log"
        config = servers.kafka.config(f"tally-{role}", PASSWORD) | {"group.id": group}
        found = {f"write {topic}" for topic in TOPICS if may_write(config, topic)}
        found |= {f"read {topic}" for topic in TOPICS if may_read(config, topic)}
        assert found == rights, role
        assert may_fence(config) == (role == "worker"), role


Config = dict[str, str | int | float | bool]


def may_write(config: Config, topic: str) -> bool:
    errors: list[KafkaError | None] = []
    producer = Producer(config | {"acks": "all"})
    producer.produce(topic, b"{}", b"key", on_delivery=lambda error, _: errors.append(error))
    producer.flush(30)
    return is_allowed(*errors)


def may_read(config: Config, topic: str) -> bool:
    consumer = Consumer(config | {"enable.partition.eof": True})
    try:
        if error := consumer.list_topics(topic, timeout=30).topics[topic].error:
            return is_allowed(error)
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(30)
    finally:
        consumer.close()
    assert message
    error = message.error()
    return is_allowed(None if error and error.code() == KafkaError._PARTITION_EOF else error)


def may_fence(config: Config) -> bool:
    producer = Producer(config | {"transactional.id": TRANSACTIONAL_ID})
    try:
        producer.init_transactions(30)
    except KafkaException as error:
        return is_allowed(error.args[0])
    return True


def is_allowed(error: KafkaError | None) -> bool:
    assert error is None or error.code() in REFUSED, error
    return error is None


def unique_counts(kafka: SecureKafka) -> Iterator[bytes]:
    """The values in the topic, as they come."""
    consumer = Consumer(kafka.config() | {"group.id": "tests", "auto.offset.reset": "earliest"})
    consumer.subscribe(["unique-counts"])
    while message := consumer.poll(60):
        if not message.error():
            yield message.value() or b""


def test_redis_says_why(servers: Servers, settings: Settings) -> None:
    settings.REDIS_URL = servers.redis.url_for("web")
    settings.REDIS_TLS = servers.redis.tls(servers.stranger)
    assert "certificate verify failed" in " ".join(redis_problems(connect_for_accept()))
    settings.REDIS_TLS = servers.redis.tls()
    assert list(redis_problems(connect_for_accept())) == []
    settings.REDIS_URL = servers.redis.url_for("web", "wrong")
    assert "invalid username-password pair" in " ".join(redis_problems(connect_for_accept()))


def test_kafka_says_why(servers: Servers, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def complaints() -> str:
        last_error = LastError()
        client = AdminClient(client_config() | {"error_cb": last_error})
        return " ".join(kafka_problems(client, last_error))

    for name, value in servers.kafka.env("tally-worker", PASSWORD).items():
        setattr(settings, name, value)
    assert complaints() == ""
    settings.KAFKA_SASL_PASSWORD = "wrong"
    wait_until(lambda: "Authentication failed" in complaints(), "a wrong password is named")
    settings.KAFKA_SASL_PASSWORD = PASSWORD
    settings.KAFKA_SSL_CA = str(servers.stranger.ca.certificate)
    wait_until(lambda: "certificate verify failed" in complaints(), "a wrong certificate is named")
    monkeypatch.setattr("tasks.output.transaction.CALL_SECONDS", 0)
    with (
        Transaction(lambda: None) as transaction,
        pytest.raises(KafkaAway, match="verify failed"),
    ):
        transaction.init()


@pytest.mark.usefixtures("topics")
def test_a_fatal_error_of_kafka_is_a_refusal_in_every_thread_and_the_next_call_begins_anew(
    servers: Servers, settings: Settings
) -> None:
    """A producer that may write to no topic is told so once, and is of no use from then on."""

    def be(role: str) -> None:
        for name, value in servers.kafka.env(f"tally-{role}", PASSWORD).items():
            setattr(settings, name, value)

    def record(*_: object) -> str:
        try:
            recorder.record([1])
        except Unavailable as error:
            return str(error)
        return "ok"

    be("audit")
    recorder = SyncProducer()
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in range(ROUNDS):
            assert "ok" not in set(threads.map(record, range(THREADS)))
    be("web")
    wait_until(lambda: record() == "ok", "accepting again")


@pytest.mark.parametrize("wrong", ["password", "authority"])
def test_postgresql_says_why(servers: Servers, wrong: str) -> None:
    url = servers.postgres.url_for(servers.authority, "wrong")
    if wrong == "authority":
        url = servers.postgres.url_for(servers.stranger)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        migrate(**servers.env("admin") | {"DATABASE_URL": url})
    assert f"{wrong if wrong == 'password' else 'certificate verify'}" in failed.value.stderr
