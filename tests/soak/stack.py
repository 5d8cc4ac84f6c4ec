"""The whole of Tally as processes: servers, the proxies before them, web, workers and beats."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from signal import SIGKILL

import httpx
import psutil
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from counter.mode import is_event_mode
from counter.redis.clients import connect_for_console, connect_to_broker
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from counter.task_names import FLUSH
from embedded.ports import free_port
from project.celery import app
from tasks.errors import KafkaAway
from tasks.kafka.topics import create_topics
from tests.soak.recount import is_counted
from tests.soak.servers import HOME, Servers
from tests.support.processes import Process, run, wait_until
from tests.support.programs import tally
from tests.support.tally.web import migrate


class Stack:
    """Everything that runs. What dies is started again by `keep`."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self.web_port = free_port()
        names = ["web", "worker-1", "worker-2", "beat-1", "beat-2"]
        if is_event_mode():
            names += ["consolidate-1", "consolidate-2"]
        self.programs = {name: self.program(name) for name in names}
        self.client = connect_for_console()  # it waits no longer than a fault may last
        self.broker = connect_to_broker()
        self.store = CountStore.known(self.client)

    def program(self, name: str) -> Process:
        """A program whose only ways to the servers are the proxies; not yet started."""
        kind = name.split("-", maxsplit=1)[0]
        options = [f"--hostname={name}@%h"] if kind == "worker" else []
        env = self.servers.env | {"PORT": str(self.web_port)}
        return tally(kind, *options, log=HOME / f"{name}.log", env=env)

    def keep(self) -> None:
        """Start again what has died."""
        for program in self.programs.values():
            if not program.is_running():
                program.send_all(SIGKILL)  # what is left of its group
                program.start()

    def end(self, name: str) -> None:
        """End a program for good, in its own time."""
        program = self.programs.pop(name)
        if program.is_running():
            program.stop()

    def end_programs(self) -> None:
        """End all that still runs."""
        for name in list(self.programs):
            self.end(name)

    def end_minute(self) -> None:
        """End the present minute before its time, and send a tick; with Redis away, nothing happens.

        In event mode minutes end by the clock.
        """
        if is_event_mode():
            return
        with suppress(RedisError):
            if pending := self.store.pending():
                if not self.store.sealed():
                    PublishingState(self.store.client).begin_at(pending[0])
                self.store.seal(pending[-1])
                self.send_flush()

    def send_flush(self) -> bool:
        """A tick; with Redis away, it is lost, and this is False."""
        with suppress(OperationalError):
            app.send_task(FLUSH, retry=False)
            return True
        return False

    def is_drained(self) -> bool:
        """Whether nothing is left to publish; if there is, a tick is sent."""
        with suppress(RedisError, KafkaAway):
            self.end_minute()
            return (not is_event_mode() or is_counted(self.store)) and not self.store.pending()
        return False

    def is_up(self) -> bool:
        """Whether calls are accepted."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).is_success
        except httpx.HTTPError:
            return False

    @property
    def url(self) -> str:
        """Where callers find it."""
        return f"http://127.0.0.1:{self.web_port}"

    def children(self, name: str) -> list[psutil.Process]:
        """The processes below a program."""
        try:
            return psutil.Process(self.programs[name].pid).children()
        except psutil.NoSuchProcess:
            return []


@contextmanager
def running_stack(servers: Servers) -> Iterator[Stack]:
    """A stack that accepts calls, for the time of the block; nothing of it is left behind."""
    with ExitStack() as stack:
        create_topics()
        migrate()
        tally = Stack(servers)
        for program in tally.programs.values():
            stack.enter_context(run(program))
        wait_until(tally.is_up, f"calls are accepted, see {HOME}")
        yield tally
