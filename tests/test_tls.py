"""TLS and passwords: every program works with servers that demand them, and says why where it does not."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import redis
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from pytest_django import Settings

from counter import keys
from counter.accepting import PATH
from counter.connection import connect_for_accept
from counter.health import kafka_problems, problems
from counter.kafka import Complaint, client_config
from counter.store import CountStore
from embedded.ports import free_port
from embedded.valkey import Valkey
from project.celery import FLUSH
from tasks.brokers import KafkaAway
from tasks.publisher import Transaction
from tests.acl import users
from tests.certificates import Authority, Certificate
from tests.needs import program
from tests.postgres import USER, Postgres
from tests.processes import BIN, ROOT, Process, ServerProcess, run, wait_until
from tests.secure_kafka import SecureKafka
from tests.test_callbacks import ok, receiving
from tests.web import manage, serving

PASSWORD = "not-to-be-seen"  # of every role, everywhere
SINCE_7_2 = ("+waitaof", "+client|setinfo")  # and this may be the 7.0 of a distribution
KAFKA_ROLES = ("web", "worker", "admin")


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
        env = {"DATABASE_URL": self.postgres.url_for(self.authority), "CALLBACK_ALLOWED_HOSTS": "127.0.0.1"}
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


def test_every_program_works(servers: Servers, tmp_path: Path) -> None:
    celery = [str(BIN / "celery"), "-A", "project"]
    worker = Process([*celery, "worker", "--concurrency", "1"], tmp_path / "worker", servers.env("worker"))
    beat = Process([*celery, "beat", "--pidfile="], tmp_path / "beat", servers.env("beat"))
    admin = servers.env("admin")
    manage("migrate", "--verbosity=0", **admin)
    manage("create_topics", **admin)
    with (
        run(worker),
        run(beat),
        serving("asgi", 1, **servers.env("web")) as url,
        servers.redis.connect() as client,
    ):
        wait_until(
            lambda: httpx.get(f"{url}/readyz").json() == {"status": "ok", "problems": []},
            "web reaches Redis and Kafka",
        )
        with receiving(ok) as receiver:
            assert httpx.get(f"{url}{PATH}", params={"id": 42, "endpoint": receiver.url}).text == "ok"
            assert receiver.got.get(timeout=60)[2]["unique"] == 1  # type: ignore[index]
        assert httpx.post(f"{url}/api/v1/accept/", json={"ids": [43, 44]}).is_success
        store = CountStore(client)
        store.begin_at(store.pending()[0])
        store.seal(store.pending()[-1])
        subprocess.run([*celery, "call", FLUSH], cwd=ROOT, env=os.environ | admin, check=True)
        assert next(unique_counts(servers.kafka)).startswith(b'{"minute": "')
        wait_until(lambda: not store.pending(), "the worker has published it")
        wait_until(lambda: client.exists(keys.BEAT), "a beat leads")
        assert client.acl_log() == [], "what a role needs, it may do"
    history = "from counter.models import PublishedMinute as P; print(P.objects.count())"
    assert int(manage("shell", "--verbosity=0", "--command", history, **admin)) >= 1


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
    assert "certificate verify failed" in " ".join(problems(connect_for_accept()))
    settings.REDIS_TLS = servers.redis.tls()
    assert list(problems(connect_for_accept())) == []
    settings.REDIS_URL = servers.redis.url_for("web", "wrong")
    assert "invalid username-password pair" in " ".join(problems(connect_for_accept()))


def test_kafka_says_why(servers: Servers, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def complaints() -> str:
        complaint = Complaint()
        client = AdminClient(client_config() | {"error_cb": complaint})
        return " ".join(kafka_problems(client, complaint))

    for name, value in servers.kafka.env("tally-worker", PASSWORD).items():
        setattr(settings, name, value)
    assert complaints() == ""
    settings.KAFKA_SASL_PASSWORD = "wrong"
    assert "Authentication failed" in complaints()
    settings.KAFKA_SASL_PASSWORD = PASSWORD
    settings.KAFKA_SSL_CA = str(servers.stranger.ca.certificate)
    assert "certificate verify failed" in complaints()
    monkeypatch.setattr("tasks.publisher.CALL_SECONDS", 0)
    with (
        Transaction(lambda: None) as transaction,
        pytest.raises(KafkaAway, match="verify failed"),
    ):
        transaction.init()


@pytest.mark.parametrize("wrong", ["password", "authority"])
def test_postgresql_says_why(servers: Servers, wrong: str) -> None:
    url = servers.postgres.url_for(servers.authority, "wrong")
    if wrong == "authority":
        url = servers.postgres.url_for(servers.stranger)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        manage("migrate", **servers.env("admin") | {"DATABASE_URL": url})
    assert f"{wrong if wrong == 'password' else 'certificate verify'}" in failed.value.stderr
