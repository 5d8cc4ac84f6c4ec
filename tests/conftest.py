import os
from collections.abc import Generator, Iterator
from functools import cache

import httpx
import pytest
import redis
from django.db import connection
from django.test import override_settings
from pytest_django.plugin import blocking_manager_key

from counter.redis.clients import connect
from counter.store.counts import CountStore
from embedded.kafka import Kafka
from embedded.ports import free_port
from embedded.valkey import Valkey
from tests.support.processes import HOME, ROOT, RUNNING, ServerProcess, run
from tests.support.reset import begin_in_one, empty, new_topics
from tests.support.servers.proxy import Proxy, proxy_to, two_ways
from tests.support.tally.web import LANES, manage, migrate, serving

# A client loads all certificates when it is made, which takes longer than what most of them ask for.
httpx._transports.default.create_ssl_context = cache(httpx.create_ssl_context)  # type: ignore[attr-defined]

LONGEST = (
    "browser/test_browser.py",
    "tools/test_make_run.py",
    "faults/processes/test_kill.py",
    "deployment/test_tls.py",
    "deployment/test_topology.py",
    "accepting/test_accept_call.py",
    "accepting/test_api_batch.py",
    "deployment/test_sentinel.py",
    "events/test_consolidator.py",
    "tools/test_readme.py",
    "callbacks/test_callbacks.py",
    "store/test_layout.py",
    "faults/processes/test_zombies.py",
    "faults/redis/test_cluster.py",
    "deployment/test_delivery.py",
    "deployment/test_secrets.py",
    "deployment/test_make_venv.py",
    "tools/test_wheel.py",
)
"""Modules, those that take longest first."""


LOG_CHARACTERS = 4000
"""Of each process, under a test that fails."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest modules: at the end no worker is left alone with one."""
    rank = {ROOT / "tests" / module: n for n, module in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Whoever empties the database leaves there what migrations made: groups and permissions."""
    yield
    marker = item.get_closest_marker("django_db")
    if marker and marker.kwargs.get("transaction"):
        with item.config.stash[blocking_manager_key].unblock():
            made: str = connection._test_serialized_contents  # type: ignore[attr-defined]
            connection.creation.deserialize_db_from_string(made)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where a test fails, show what its processes wrote last."""
    report = yield
    if report.failed:
        ends = [(f"end of {process.log}", process.output[-LOG_CHARACTERS:]) for process in RUNNING]
        report.sections.extend(ends)
    return report


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ServerProcess]:
    """The Valkey of the session. Whoever stops it starts it again."""
    process = ServerProcess(Valkey(HOME / "valkey", int(os.environ["REDIS_PORT"])))
    with run(process):
        yield process


@pytest.fixture(scope="module")
def valkey_process(valkey_server: ServerProcess) -> ServerProcess:
    """The same, with nothing in it that another module has left there."""
    with connect() as client:
        client.flushall()
    return valkey_server


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
    """An empty Valkey, whose minute has time for the first calls of a test."""
    with connect() as client:
        empty(client)
        begin_in_one(client, left=3)
        yield client


@pytest.fixture
def store(valkey: redis.Redis) -> CountStore:
    """The store over an empty Valkey."""
    return CountStore.known(valkey)


@pytest.fixture
def kafka(kafka_process: ServerProcess) -> None:
    """A Kafka with new, empty topics."""
    new_topics()


@pytest.fixture(scope="module", params=[1, 16], ids=["whole", "16 buckets"])
def buckets(request: pytest.FixtureRequest) -> Iterator[int]:
    """REDIS_BUCKETS, of the test and its processes."""
    with override_settings(REDIS_BUCKETS=request.param):
        yield request.param


@pytest.fixture(scope="module", params=LANES)
def lane(request: pytest.FixtureRequest, buckets: int, valkey_process: ServerProcess) -> Iterator[str]:
    """The base url of a web server of each lane: the paths in front of Django, and Django alone."""
    with serving(request.param, COUNTERS="clicks,installs") as url:
        yield url


@pytest.fixture(scope="session")
def token() -> str:
    """What may read, of a user in the database of the test run's processes."""
    migrate()
    manage(
        "createsuperuser",
        "--skip-checks",
        "--noinput",
        "--username",
        "ada",
        "--email",
        "",
        DJANGO_SUPERUSER_PASSWORD="lovelace",
    )
    return manage("create_token", "--skip-checks", "ada").split()[2]
