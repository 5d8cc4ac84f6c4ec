import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from django.conf import settings
from django.core.management import call_command
from django.core.management.commands.flush import Command as Flush
from django.test import override_settings

from counter.kafka.client import REQUESTS
from counter.store import keys
from counter.store.clients import connect
from counter.store.counts import CountStore
from counter.store.rebucketing import spread_over
from embedded.kafka import Kafka
from embedded.ports import free_port
from embedded.valkey import Valkey
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS, create_topics
from tests.processes import ServerProcess, run, wait_until
from tests.proxy import Proxy, proxy_to, two_ways
from tests.web import LANES, manage, serving

HOME = Path(os.environ["TALLY_HOME"])


@pytest.fixture(scope="session", autouse=True)
def _djangos_own_flush() -> Iterator[None]:
    """Django's tests empty the database with a command `flush`; let it be Django's, not Tally's."""

    def call(name: str, **options: object) -> None:
        call_command(Flush() if name == "flush" else name, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.test.testcases.call_command", call)
        yield


@pytest.fixture(scope="session")
def valkey_process() -> Iterator[ServerProcess]:
    """The Valkey of the session. Whoever stops it starts it again."""
    process = ServerProcess(Valkey(HOME / "valkey", int(os.environ["REDIS_PORT"])))
    with run(process):
        yield process


@pytest.fixture(scope="session")
def kafka_proxy() -> Iterator[Proxy]:
    """Another way to the Kafka of the session, which leads through a proxy. Whoever bends it heals it."""
    with proxy_to(free_port()) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def kafka_process(kafka_proxy: Proxy) -> Iterator[ServerProcess]:
    """The Kafka of the session. Whoever stops it starts it again."""
    port = int(os.environ["KAFKA_PORT"])
    process = ServerProcess(Kafka(HOME / "kafka", port, properties=two_ways(port, kafka_proxy)))
    with run(process):
        yield process


@pytest.fixture
def valkey(valkey_process: ServerProcess) -> Iterator[redis.Redis]:
    """An empty Valkey."""
    with connect() as client:
        empty(client)
        yield client


def is_empty(client: redis.Redis) -> bool:
    """Whether nothing was written since then."""
    names = {name.decode() for name in client.scan_iter()}
    return names <= {keys.BUCKETS, *(bucket.layout for bucket in CountStore(client).learn())}


def empty(client: redis.Redis) -> None:
    """Forget everything but over how many buckets ids are spread."""
    client.flushall()
    if settings.REDIS_BUCKETS != 1:
        spread_over(client, settings.REDIS_BUCKETS)


@pytest.fixture
def store(valkey: redis.Redis) -> CountStore:
    """The store over an empty Valkey."""
    return CountStore(valkey)


@pytest.fixture
def kafka(kafka_process: ServerProcess) -> None:
    """A Kafka with new, empty topics."""
    new_topics()


def new_topics() -> None:
    """Replace the topics by empty ones."""
    admin = AdminClient({"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS})
    topics = {UNIQUE_COUNTS, ID_COUNTS, REQUESTS}
    for future in admin.delete_topics(list(topics)).values():
        with suppress(KafkaException):  # there was none
            future.result()
    wait_until(lambda: not topics & set(admin.list_topics().topics), "topics are gone")
    wait_until(lambda: len(create_topics()) == 2, "topics are made")
    wait_until(lambda: {UNIQUE_COUNTS, ID_COUNTS} <= set(admin.list_topics().topics), "topics are known")


@pytest.fixture(scope="module", params=[1, 16], ids=["whole", "16 buckets"])
def buckets(request: pytest.FixtureRequest) -> Iterator[int]:
    """REDIS_BUCKETS, of the test and its processes."""
    with override_settings(REDIS_BUCKETS=request.param):
        yield request.param


@pytest.fixture(scope="module", params=LANES)
def lane(request: pytest.FixtureRequest, buckets: int, valkey_process: ServerProcess) -> Iterator[str]:
    """The base url of a web server of each lane: the paths in front of Django, and Django alone."""
    with serving(request.param) as url:
        yield url


@pytest.fixture(scope="session")
def token() -> str:
    """What may read, of a user in the database of the test run's processes."""
    manage("migrate", "--verbosity", "0")
    manage(
        "createsuperuser",
        "--noinput",
        "--username",
        "ada",
        "--email",
        "",
        DJANGO_SUPERUSER_PASSWORD="lovelace",
    )
    return manage("drf_create_token", "ada").split()[2]
