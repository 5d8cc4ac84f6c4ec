"""State that others delete or overwrite: it is mended by itself, or the key is named and Tally stops."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import pytest
import redis
from redbeat.schedulers import ensure_conf

from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import connect_for_accept
from counter.sinks.kafka.async_producer import AsyncProducer
from counter.sinks.outcome import Unavailable
from counter.sinks.redis.async_writer import AsyncWriter
from counter.sinks.redis.connections import connect_async
from counter.sinks.redis.group_commit import GroupCommit
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.keys import WHOLE
from counter.store.publishing_state import PublishingState
from project.beat import CELERYS, Scheduler
from project.celery import app
from tasks.errors import Halt
from tasks.publishing.flush import Flush
from tests.support.checker import Calls, verify, verify_waiting
from tests.support.processes import ServerProcess, wait_until
from tests.support.requests_topic import Requests
from tests.support.sinks import recorded
from tests.support.tally.flushing import pass_time
from tests.support.tally.web import serving

Overwrite = Callable[[redis.Redis, str], object]


def garbage(valkey: redis.Redis, name: str) -> None:
    valkey.delete(name)
    valkey.set(name, "garbage")


def other_type(valkey: redis.Redis, name: str) -> None:
    valkey.delete(name)
    valkey.xadd(name, {"any": "thing"})


def present(valkey: redis.Redis) -> Minute:
    return Minute.at(clock.now(valkey))


NAMES: dict[str, Callable[[redis.Redis], str]] = {
    "sealed": lambda _: WHOLE.sealed,
    "layout": lambda _: WHOLE.layout,
    "pending": lambda _: WHOLE.pending,
    "ids": lambda valkey: WHOLE.ids(present(valkey)),
    "stats": lambda valkey: WHOLE.stats(present(valkey)),
}
EVERY_NAME = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
BOTH_WAYS = pytest.mark.parametrize("overwrite", [garbage, other_type])


@BOTH_WAYS
@EVERY_NAME
async def test_a_key_of_the_counts_is_overwritten(
    valkey: redis.Redis, name: Callable[[redis.Redis], str], overwrite: Overwrite
) -> None:
    """Each lane refuses, and names the key; nothing is written halfway; once mended it goes on at once."""
    batcher, batches = GroupCommit(connect_async), AsyncWriter(connect_async(), [WHOLE], keeps_replies=True)
    recorder = SyncWriter(connect_for_accept())
    await batcher.start()
    overwrite(valkey, key := name(valkey))
    outcomes: list[object] = []
    await batches.commit({0: [1]}, lambda _, outcome: outcomes.append(outcome))
    assert key.partition(":2")[0] in str(outcomes.pop()) or key == WHOLE.layout
    with pytest.raises(Unavailable):
        recorder.record([2])
    assert await recorded(batcher, 3) is None
    valkey.delete(key)
    await batches.commit({0: [4]}, lambda _, outcome: outcomes.append(outcome))
    assert not isinstance(outcomes.pop(), Unavailable)
    recorder.record([5])
    assert await recorded(batcher, 6)
    await batcher.stop()
    await batches.stop()
    verify_waiting(Calls(ok=Counter([4, 5, 6])), valkey)


@BOTH_WAYS
async def test_what_a_writer_remembers_is_overwritten(valkey: redis.Redis, overwrite: Overwrite) -> None:
    """It goes on under another name."""
    batcher = GroupCommit(connect_async)
    await batcher.start()
    assert await recorded(batcher, 1)
    [writer] = valkey.scan_iter("tally:writer:*")
    overwrite(valkey, writer.decode())
    assert await recorded(batcher, 2) is None
    assert await recorded(batcher, 3)
    await batcher.stop()
    verify_waiting(Calls(ok=Counter([1, 3])), valkey)


async def test_a_fault_of_its_own_does_not_end_the_group_commit(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = GroupCommit(connect_async)
    await batcher.start()
    assert await recorded(batcher, 1)
    with monkeypatch.context() as patch:
        patch.setattr(
            "counter.sinks.redis.async_writer.AsyncWriter.commit", None
        )  # calling it is a TypeError
        async with asyncio.timeout(10):
            assert await recorded(batcher, 2) is None
    async with asyncio.timeout(10):
        assert await recorded(batcher, 3)
    await batcher.stop()
    verify_waiting(Calls(ok=Counter([1, 3]), unknown=Counter([2])), valkey)


async def test_a_fault_of_its_own_is_a_refusal_in_each_lane(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches, recorder = AsyncWriter(connect_async(), [WHOLE]), SyncWriter(connect_for_accept())
    outcomes: list[object] = []
    monkeypatch.setattr("counter.sinks.redis.delivery.Delivery.read", None)
    await batches.commit({0: [1]}, lambda _, outcome: outcomes.append(outcome))
    assert isinstance(outcomes.pop(), Unavailable)
    with pytest.raises(Unavailable):
        recorder.record([2])
    await batches.stop()


async def test_a_fault_of_its_own_does_not_end_the_appender(
    kafka: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    appender, look = AsyncProducer(), AsyncProducer._look
    faults = iter([None])

    def fail_once(self: AsyncProducer) -> None:
        for _ in faults:
            raise ZeroDivisionError
        look(self)

    monkeypatch.setattr(AsyncProducer, "_look", fail_once)
    Requests(timestamps="LogAppendTime")
    await appender.start()
    async with asyncio.timeout(30):
        while not await recorded(appender, 1):  # noqa: ASYNC110  (until Kafka is quick enough)
            await asyncio.sleep(0.2)
    await appender.stop()


async def test_a_minute_is_pending_again_with_its_next_call(valkey: redis.Redis) -> None:
    recorder = SyncWriter(connect_for_accept())
    recorder.record([1])
    valkey.delete(WHOLE.pending)
    recorder.record([2])
    verify_waiting(Calls(ok=Counter([1, 2])), valkey)


@pytest.fixture
def url(valkey: redis.Redis, kafka_process: ServerProcess) -> Iterator[str]:
    with serving() as url:
        yield url


def test_readiness_and_pages_say_which_key(valkey: redis.Redis, url: str, token: str) -> None:
    reader = {"Authorization": f"Bearer {token}"}

    def is_ready(status: int) -> bool:
        return httpx.get(f"{url}/readyz", timeout=30).status_code == status

    wait_until(lambda: is_ready(200), "all is well")
    for name in (WHOLE.sealed, WHOLE.pending):
        other_type(valkey, name)
        assert httpx.get(f"{url}/api/verve/accept?id=1").status_code == 503
        wait_until(lambda: is_ready(503), "it is not ready")
        assert name in httpx.get(f"{url}/readyz").text
        answer = httpx.get(f"{url}/api/v1/minutes/", headers=reader)
        assert answer.status_code == 503
        assert "WRONGTYPE" in answer.json()["detail"]
        assert httpx.get(f"{url}/metrics").status_code == 200
        valkey.delete(name)
        assert httpx.get(f"{url}/api/verve/accept?id=1").text == "ok"
        wait_until(lambda: is_ready(200), "it is ready again")


def accept_and_seal(valkey: redis.Redis, *ids: int) -> Minute:
    store = CountStore.known(valkey)
    minute = SyncWriter(valkey).record(ids).minute
    if not store.sealed():
        PublishingState(store.client).begin_at(minute)
    store.seal(minute)
    return minute


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
class TestTheFlush:
    """Each on a system that has published a minute, and has another one to publish."""

    @pytest.fixture
    def minute(self, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Minute:
        pass_time(monkeypatch, 180)  # no minute of the test is still to come
        accept_and_seal(valkey, 1)
        assert Flush(valkey).run().published
        minute = accept_and_seal(valkey, 2, 2, 3)
        pass_time(monkeypatch, 180)
        return minute

    def publish(self, valkey: redis.Redis) -> None:
        assert Flush(valkey).run().published
        verify(Calls(ok=Counter([1, 2, 2, 3])), valkey)

    @pytest.mark.parametrize("mend", [garbage, other_type, redis.Redis.delete])
    @pytest.mark.parametrize("name", [WHOLE.sealed, keys.LOCK, keys.ATTEMPTS])
    def test_mends_what_it_knows(
        self, valkey: redis.Redis, minute: Minute, name: str, mend: Overwrite
    ) -> None:
        mend(valkey, name)
        self.publish(valkey)

    @pytest.mark.parametrize("name", [WHOLE.pending, WHOLE.settled, keys.BUCKETS, keys.FIRST])
    def test_does_without_what_is_deleted(self, valkey: redis.Redis, minute: Minute, name: str) -> None:
        valkey.delete(name)
        self.publish(valkey)

    @BOTH_WAYS
    @pytest.mark.parametrize("name", [WHOLE.pending, WHOLE.settled, keys.BUCKETS, keys.FIRST])
    def test_stops_and_names_the_key(
        self, valkey: redis.Redis, minute: Minute, name: str, overwrite: Overwrite
    ) -> None:
        overwrite(valkey, name)
        with pytest.raises(Halt, match=name):
            Flush(valkey).run()
        valkey.delete(name)
        self.publish(valkey)

    @pytest.mark.parametrize("part", ["stats", "ids"])
    def test_stops_where_part_of_a_minute_is_gone(
        self, valkey: redis.Redis, minute: Minute, part: str
    ) -> None:
        name = f"tally:{part}:{minute}"
        saved = valkey.dump(name)
        valkey.delete(name)
        with pytest.raises(Halt, match=str(minute)):
            Flush(valkey).run()
        valkey.restore(name, 0, saved or b"")
        self.publish(valkey)


@pytest.fixture
def beat(valkey: redis.Redis) -> Iterator[Scheduler]:
    """A beat that leads."""
    scheduler = Scheduler(app=app)
    scheduler.lock = valkey.lock(scheduler.lock_key, timeout=60)
    scheduler.lock.lua_extend = valkey.register_script("return 1")
    scheduler.lock.acquire()
    yield scheduler
    scheduler.lock = None
    scheduler.close()


@pytest.mark.parametrize("break_it", [garbage, other_type, redis.Redis.delete])
@pytest.mark.parametrize("name", ["redbeat:flush-closed-minutes", "redbeat::schedule", *CELERYS, keys.BEAT])
def test_what_beat_needs_is_mended_with_its_next_look(
    valkey: redis.Redis, beat: Scheduler, name: str, break_it: Overwrite
) -> None:
    beat.tick()
    break_it(valkey, name)
    beat.tick()
    conf = ensure_conf(app)
    entry = f"{conf.key_prefix}flush-closed-minutes"
    assert valkey.zscore(conf.schedule_key, entry)
    assert valkey.hexists(entry, "definition")
    assert all(valkey.type(key) in (type.encode(), b"none") for key, type in CELERYS.items())
    assert valkey.get(keys.BEAT)


@pytest.mark.parametrize("overwrite", [garbage, other_type])
def test_a_lock_of_nobodys_keeps_no_beat_waiting(valkey: redis.Redis, overwrite: Overwrite) -> None:
    overwrite(valkey, conf := ensure_conf(app).lock_key)
    Scheduler(app=app).close()
    assert not valkey.exists(conf)
