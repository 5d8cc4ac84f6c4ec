"""Sentinels: every program finds the master that they name, also after it was killed under load."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from signal import SIGSTOP

import httpx
import pytest
import redis
from pytest_django import Settings

from counter.monitoring.checks import check_broker, check_redis_url
from counter.redis.clients import connect
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from tasks.publishing.flush import Flush
from tests.sentinels import Watched, running
from tests.support.callers.load import Load
from tests.support.checker import verify
from tests.support.processes import run, wait_until
from tests.support.programs import tally
from tests.support.tally.web import serving

CALLS = 200


@pytest.fixture
def watched(tmp_path: Path, settings: Settings) -> Iterator[Watched]:
    with running(tmp_path) as watched:
        settings.REDIS_URL = settings.CELERY_BROKER_URL = watched.url
        settings.ACCEPT_REPLICAS = 1
        yield watched


def end_minute(store: CountStore) -> None:
    """As the clock would; the worker is told by the next tick, or by the flush of its start."""
    pending = store.pending()
    if not store.sealed():
        PublishingState(store.client).begin_at(pending[0])
    store.seal(pending[-1])


def publish(store: CountStore) -> None:
    """All of it, when nobody else works any more."""
    end_minute(store)

    def is_drained() -> bool:
        Flush(store.client).run()
        return not store.pending()

    wait_until(is_drained, "everything is published")


@pytest.mark.usefixtures("kafka")
@pytest.mark.parametrize("is_one_sentinel_away", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_master_is_killed_under_load(watched: Watched, tmp_path: Path, is_one_sentinel_away: bool) -> None:
    """No acknowledged call is lost, accepting is back by itself, and so are publishing, Celery and beat."""
    env = {"REDIS_URL": watched.url, "CELERY_BROKER_URL": watched.url, "ACCEPT_REPLICAS": "1"}
    with ExitStack() as stack:
        url = stack.enter_context(serving("asgi", 1, "web.log", **env))
        programs = [tally(name, log=tmp_path / f"{name}.log", env=env) for name in ("worker", "beat")]
        for program in programs:
            stack.enter_context(run(program))
        store = CountStore.known(stack.enter_context(closing(connect())))
        load = stack.enter_context(Load(url))
        load.wait_for(CALLS)
        wait_until(lambda: connect().exists(keys.BEAT), "a beat ticks")
        if is_one_sentinel_away:
            next(iter(watched.sentinels.values())).send(SIGSTOP)
        before = watched.master()
        watched.servers[before].kill()
        wait_until(lambda: watched.master() not in (0, before), "another one is the master")
        load.wait_for(CALLS)
        assert httpx.get(f"{url}/readyz").is_success
        end_minute(store)
        for program in programs:  # one that loses Redis may end: it is started again, as ever
            if not program.is_running():
                program.start()
        connect().delete(keys.BEAT)
        wait_until(lambda: connect().exists(keys.BEAT), "a beat ticks again", 90)
        wait_until(store.settled, "it is published and settled", 120)
        load.wait_for(CALLS)
    with redis.Redis(port=watched.master()) as client:
        publish(CountStore.known(client))
        verify(load.calls, client)


@pytest.mark.parametrize(
    ("url", "is_right"),
    [
        ("redis+sentinel://a:26379,b:26379,c:26379/tally/0", True),
        ("rediss+sentinel://user:password@a,b/tally", True),
        ("redis+sentinel://a:26379", False),
        ("redis+sentinel://a:26379/", False),
        ("redis+sentinel://a:26379/tally/x", False),
        ("redis+sentinel://pass/word@a:26379/tally/0", False),
    ],
)
def test_its_url_is_checked_when_a_process_starts(settings: Settings, url: str, is_right: bool) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = url
    assert (check_redis_url(None) == []) == is_right
    assert (check_broker(None) == []) == is_right
