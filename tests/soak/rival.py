"""The rival: another Tally on the same topics, with a Redis of its own. What it accepts must stay there."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from django.test import override_settings
from redis.exceptions import RedisError

from counter.mode import is_event_mode
from counter.store.counts import CountStore
from counter.task_names import FLUSH
from embedded.ports import free_port
from embedded.valkey import Valkey
from project.celery import app
from tests.soak.servers import HOME
from tests.support.checker import verify_waiting
from tests.support.processes import ServerProcess, run
from tests.support.programs import tally
from tests.support.tally.systems import System

ID = 2 * 10**12
"""The first of its ids; no caller uses any of them."""

ONE = {"REDIS_BUCKETS": 1, "ACCEPT_REPLICAS": 0}
"""Its Redis is a single one, also where the system that is tormented has a cluster."""


class Rival:
    """Comes and goes; its Valkey stays. It may never come before the first minute is published."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env | {name: str(value) for name, value in ONE.items()}
        valkey = Valkey(HOME / "rival", free_port())
        self._url, self._valkey = valkey.url, ServerProcess(valkey)
        self._programs = ExitStack()
        self._system: System | None = None
        self._next = ID

    def come(self) -> None:
        """Start it, and have it accept calls of a minute that ends."""
        if not self._system:
            self._valkey.start()
        with override_settings(**ONE):
            system = self._system = self._system or System(self._url)
            with system.at_work():
                system.accept(*range(self._next, self._next + 10))
                system.end_minute()
        self._next += 10
        env = self._env | {"REDIS_URL": system.url, "CELERY_BROKER_URL": system.url}
        for name in ["worker", "consolidate"] if is_event_mode() else ["worker"]:
            self._programs.enter_context(run(tally(name, log=HOME / f"rival-{name}.log", env=env)))
        with app.connection_for_write(system.url) as connection:
            app.send_task(FLUSH, connection=connection)

    def go(self) -> None:
        """Kill its programs."""
        self._programs.close()

    def judge(self) -> None:
        """Raises AssertionError unless all that it accepted still waits."""
        self.go()
        if self._system:
            with override_settings(**ONE), self._system.at_work():
                verify_waiting(self._system.calls, self._system.client)

    def end(self) -> None:
        """Leave nothing of it behind."""
        self.go()
        if self._system:
            self._valkey.kill()


def has_published(store: CountStore) -> bool:
    """Whether the topic is this system's, as far as its Redis can tell."""
    with suppress(RedisError):
        return store.settled() is not None
    return False


@contextmanager
def rival(env: dict[str, str]) -> Iterator[Rival]:
    """For the time of the block."""
    made = Rival(env)
    try:
        yield made
    finally:
        made.end()
