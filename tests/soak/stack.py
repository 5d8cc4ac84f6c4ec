"""The whole of Tally as processes: servers, the proxies before them, web, workers and beats."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

import httpx
import psutil
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from counter.connection import connect_for_console
from counter.hint import FLUSH
from counter.sink import is_event_mode
from counter.store import CountStore
from embedded.kafka import Kafka
from embedded.ports import free_port
from embedded.valkey import Valkey
from project.celery import app
from tasks.brokers import KafkaAway
from tasks.recount import read_ends
from tasks.topics import create_topics
from tests.processes import Process, ServerProcess, run, tally, wait_until
from tests.proxy import Proxy, proxy_to, two_ways
from tests.web import manage

HOME = Path(os.environ["TALLY_HOME"])


class Stack:
    """Everything that runs. What dies is started again by `keep`."""

    def __init__(self, redis_proxy: Proxy, kafka_proxy: Proxy, valkey: Process, kafka: Process) -> None:
        self.redis_proxy = redis_proxy
        self.kafka_proxy = kafka_proxy
        self.valkey = valkey
        self.kafka = kafka
        self.web_port = free_port()
        names = ["web", "worker-1", "worker-2", "beat-1", "beat-2"]
        if is_event_mode():
            names += ["consolidate-1", "consolidate-2"]
        self.programs = {name: self.program(name) for name in names}
        self.client = connect_for_console()  # it waits no longer than a fault may last
        self.store = CountStore(self.client)

    def program(self, name: str) -> Process:
        """A program whose only ways to the servers are the proxies; not yet started."""
        kind = name.split("-", maxsplit=1)[0]
        options = [f"--hostname={name}@%h"] if kind == "worker" else []
        env = {
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_proxy.port}/0",
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.kafka_proxy.port}",
            "PORT": str(self.web_port),
        }
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
                    self.store.begin_at(pending[0])
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
            return self._is_counted() and not self.store.pending()
        return False

    def _is_counted(self) -> bool:
        """Whether no event waits."""
        if not is_event_mode():
            return True
        positions = self.store.progress().positions()
        return all(
            min((each.next for each in positions.get(partition, ())), default=0) >= end
            for partition, end in read_ends().items()
        )

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
def running_stack() -> Iterator[Stack]:
    """A stack that accepts calls, for the time of the block; nothing of it is left behind."""
    with ExitStack() as stack:
        valkey = ServerProcess(Valkey(HOME / "valkey", int(os.environ["REDIS_PORT"])))
        stack.enter_context(run(valkey))
        redis_proxy = stack.enter_context(proxy_to(int(os.environ["REDIS_PORT"])))
        kafka_proxy = stack.enter_context(proxy_to(free_port()))
        port = int(os.environ["KAFKA_PORT"])
        kafka = ServerProcess(Kafka(HOME / "kafka", port, properties=two_ways(port, kafka_proxy)))
        stack.enter_context(run(kafka))
        create_topics()
        manage("migrate", "--verbosity=0")
        tally = Stack(redis_proxy, kafka_proxy, valkey, kafka)
        for program in tally.programs.values():
            stack.enter_context(run(program))
        wait_until(tally.is_up, f"calls are accepted, see {HOME}")
        yield tally
