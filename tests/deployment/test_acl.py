"""`ops/redis/users.acl`: each role can do its work, and no more."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from counter.counters import DEFAULT
from counter.minute import Minute
from counter.monitoring.exposition import RedisCollector
from counter.monitoring.health import redis_problems
from counter.redis import clock
from counter.redis.clients import connect, connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.claim import Claim, count_claims
from counter.store.counts import CountStore
from counter.store.offsets import Progress
from counter.store.opening import open_counter
from counter.store.pending import PendingMinutes
from counter.store.publishing_state import PublishingState
from counter.store.rebucketing import spread_over
from embedded.ports import free_port
from embedded.valkey import Valkey
from tests.support.access.acl import users
from tests.support.processes import ServerProcess, run

PASSWORD = "not-to-be-seen"
FORBIDDEN = {
    "web": [
        "UNLINK 202601010000_1",
        "DEL 202601010000_1",
        "SET tally:settled 202601010000",
        "SET tally:id another",
        "SET tally:{b07}:settled 202601010000",
        "DEL {b07}202601010000_1",
        "DEL tally:pending",
        "FLUSHALL",
        "KEYS *",
        "CONFIG GET *",
        "SET elsewhere 1",
        "HINCRBY tally:requests 0:next 1",
        "HINCRBY tally:{b07}:requests 0:next 1",
    ],
    "consolidator": [
        "SET tally:sealed 202601010000",
        "SET tally:first 202601010000",
        "HSET tally:{b07}:settled a b",
        "RPUSH tally.callbacks.7 1",
        "DEL 202601010000_1",
        "UNLINK {b07}202601010000_1",
        "MSET elsewhere 1",
        "FLUSHALL",
        "KEYS *",
        "CONFIG GET *",
    ],
    "worker": ["FLUSHALL", "CONFIG SET appendonly no", "SET elsewhere 1", "KEYS *", "SHUTDOWN"],
    "beat": ["FLUSHALL", "GET 202601010000_1", "SET tally:sealed 202601010000", "CONFIG GET *"],
    "exporter": ["SET tally:sealed 202601010000", "GET 202601010000_1", "FLUSHALL"],
}


class AclValkey(Valkey):
    """Lets in who has a name and a password."""

    def __init__(self, home: Path) -> None:
        home.mkdir()
        (home / "users.acl").write_text(users(PASSWORD))
        super().__init__(home, free_port(), {"aclfile": str(home / "users.acl")})

    def url_for(self, role: str) -> str:
        return f"redis://tally-{role}:{PASSWORD}@127.0.0.1:{self.port}/0"

    @property
    def url(self) -> str:
        return self.url_for("admin")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, buckets: int) -> Iterator[AclValkey]:
    server = AclValkey(tmp_path_factory.mktemp("acl") / "valkey")
    with run(ServerProcess(server)):
        with redis.Redis.from_url(server.url) as admin:
            spread_over(admin, buckets)
        yield server


def denied(server: AclValkey) -> object:
    """What was denied last, and to whom."""
    with redis.Redis.from_url(server.url) as admin:
        return admin.acl_log(3)


def accept(server: AclValkey, settings: Settings) -> Minute:
    settings.REDIS_URL = server.url_for("web")
    settings.COUNTERS = ("clicks",)
    SyncWriter(connect_for_accept()).record([1, 2, 2])
    SyncWriter(connect_for_accept()).record(["a", "b", "b"], "clicks")
    return CountStore.known(connect()).pending()[-1]


def test_web_counts_and_looks(server: AclValkey, settings: Settings) -> None:
    minute = accept(server, settings)
    assert list(redis_problems(connect_for_accept())) == []
    assert str(minute) in [str(each.minute) for each in PendingMinutes(connect()).list()]
    assert PublishingState(connect()).halted() is None


def test_web_opens_a_counter_where_events_are_counted(server: AclValkey, settings: Settings) -> None:
    settings.REDIS_URL = server.url
    Progress(connect()).begin(1, 7)
    settings.REDIS_URL = server.url_for("web")
    open_counter(connect(), "late")
    progress = Progress(connect())
    progress.know([DEFAULT, "late"])
    assert [each.next for each in progress.positions()[1]] == [7] * len(progress.buckets), denied(server)


def test_a_worker_seals_reads_and_settles(server: AclValkey, settings: Settings) -> None:
    minute = accept(server, settings)
    settings.REDIS_URL = server.url_for("worker")
    open_counter(connect(), "clicks")
    store = CountStore.known(connect())
    assert PublishingState(store.client).identify() == PublishingState(store.client).identify()
    PublishingState(store.client).begin_at(minute)
    store.seal(minute)
    for counter, id in ((DEFAULT, 2), ("clicks", "b")):
        of = store.of(counter)
        of.check([(minute, of.stats([minute])[0])])
        assert dict(pair for chunk in of.counts(minute) for pair in chunk)[id] >= 2
        list(of.settle(minute))
    assert minute not in store.pending()


def test_a_consolidator_counts_events(server: AclValkey, settings: Settings) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = server.url_for("consolidator")
    progress, minute = Progress(connect()), Minute.at(clock.now(connect())) + 2
    assert PublishingState(connect()).identify()
    progress.begin(0, 0)
    claims = [Claim(bucket, 0, 0, 2, 1, minute, [1, 2]) for bucket in progress.buckets]
    assert count_claims(connect(), claims) == []
    assert [each.next for each in progress.positions()[0]] == [2] * len(progress.buckets)
    open_counter(connect(), "installs")
    progress.know([DEFAULT, "installs"])
    assert len(progress.positions()[0]) == len(progress.buckets)
    claims = [Claim(each, 0, 2, 3, 2, minute, ["a"]) for each in progress.buckets if each.counter]
    assert count_claims(connect(), claims) == []
    up = next(iter(RedisCollector(connect()).collect()))
    assert [sample.value for sample in up.samples] == [1], denied(server)


def test_the_exporter_reads(server: AclValkey, settings: Settings) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = server.url_for("exporter")
    up = next(iter(RedisCollector(connect()).collect()))
    assert [sample.value for sample in up.samples] == [1], denied(server)


@pytest.mark.parametrize("role", ["worker", "consolidator"])
def test_a_role_may_wait_for_replicas(server: AclValkey, role: str) -> None:
    with redis.Redis.from_url(server.url_for(role)) as client:
        assert client.wait(0, 1) == 0
        assert client.waitaof(0, 0, 1)


@pytest.mark.parametrize(
    ("role", "command"), [(role, command) for role, commands in FORBIDDEN.items() for command in commands]
)
def test_a_role_may_do_no_more(server: AclValkey, role: str, command: str) -> None:
    with (
        redis.Redis.from_url(server.url_for(role)) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*command.split())


def test_nobody_comes_in_without_a_password(server: AclValkey) -> None:
    with redis.Redis(port=server.port) as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.ping()
