"""The nemesis: one fault after another, drawn at random, some of them at the same time."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

import psutil
import redis
from confluent_kafka import KafkaException
from redis.exceptions import RedisError

from counter import task_names
from counter.store import keys
from tests.soak.database import DatabaseLock
from tests.soak.rival import Rival, has_published
from tests.soak.servers import BROKER, BUCKETS, CELERYS, KAFKA, VALKEY, Elected, Server
from tests.soak.stack import Stack
from tests.soak.topic import Topic
from tests.support.processes import wait_until
from tests.support.servers.proxy import Proxy
from tests.support.servers.redis_cluster import ValkeyCluster

LEAD = "redbeat::lock"
BEATS = ("redbeat::schedule", "redbeat::statics", "redbeat:flush-closed-minutes", task_names.FLUSH_QUEUE)
"""What it needs to tick."""

PAUSE_SECONDS = (0.5, 4.0)
"""Between two faults: from the one to the other."""

ILL_SECONDS = {VALKEY: 2.0, CELERYS: 2.0, KAFKA: 6.0, BROKER: 6.0}
"""At most, for a server or the way to it."""

FAILOVER_SECONDS = 6.0
"""At most, for a node of a cluster: often long enough for a failover, and often not."""

DATABASE_SECONDS = 6.0
REST_SECONDS = 20.0
"""At most, for a program to start and do something before it is killed again."""


@dataclass(frozen=True)
class Fault:
    """Something bad: to what, what, how to undo it, and after how many seconds at most."""

    target: str
    name: str
    strike: Callable[[], None]
    heal: Callable[[], None]
    seconds: float


def nothing() -> None:
    """What needs no healing heals so."""


def _of_server(target: str, name: str, server: Server, seconds: float) -> list[Fault]:
    stop, resume = (lambda: server.send(SIGSTOP)), (lambda: server.send(SIGCONT))
    return [
        Fault(target, f"kill {name}", server.kill, server.launch, seconds),
        Fault(target, f"stop {name} for a while", stop, resume, seconds),
    ]


class Nemesis:
    """Two runs with one seed draw the same faults, though at other moments of the system's life."""

    def __init__(self, stack: Stack, rival: Rival, seed: int) -> None:
        self._stack = stack
        self._rival = rival
        self._topic = Topic(stack.store)
        self._random = random.Random(seed)
        self._ill: dict[str, tuple[float, Fault]] = {}
        self._next = time.monotonic()
        self._lock = DatabaseLock()
        self.faults: Counter[str] = Counter()

    def act(self) -> None:
        """Heal what is due, and strike when it is time."""
        now = time.monotonic()
        for until, fault in list(self._ill.values()):
            if now > until:
                self._heal(fault)
        if now > self._next:
            self._next = now + self._random.uniform(*PAUSE_SECONDS)
            self._strike(self._random.choice(self._random.choice(self._faults())), now)

    def heal_all(self) -> None:
        """Leave nothing ill behind."""

        def healed() -> bool:
            for _, fault in list(self._ill.values()):
                self._heal(fault)
            return not self._ill

        wait_until(healed, "nothing is ill any more")

    def _strike(self, fault: Fault, now: float) -> None:
        # Drawn first, so that the sequence is the seed's alone.
        seconds = self._random.uniform(0, fault.seconds)
        if fault.target in self._ill:
            return
        fault.strike()
        self.faults[fault.name] += 1
        self._ill[fault.target] = (now + seconds, fault)

    def _heal(self, fault: Fault) -> None:
        with suppress(RedisError, KafkaException):  # another fault is in the way: later
            fault.heal()
            del self._ill[fault.target]

    def _faults(self) -> list[list[Fault]]:
        """By what they strike, so that nothing is struck more often because it can be in more ways."""
        stack, servers, lock = self._stack, self._stack.servers, self._lock
        return [
            *(self._of_way(kind, self._random.choice(ways)) for kind, ways in servers.ways.items()),
            *(
                _of_server(kind, kind, self._random.choice(each), ILL_SECONDS[kind])
                for kind, each in servers.each.items()
            ),
            *(self._of_cluster(servers.valkeys) if servers.valkeys else []),
            *(self._of_program(name) for name in stack.programs),
            self._of_messages(),
            self._of_state(),
            [
                Fault(
                    "topic",
                    "enlarge unique-counts",
                    self._topic.enlarge,
                    self._topic.agree,
                    ILL_SECONDS[KAFKA],
                )
            ],
            [Fault("database", "lock the database", lock.take, lock.release, DATABASE_SECONDS)],
            [self._another("worker"), self._another("beat")],
            [Fault("rival", "run another Tally on the same topics", self._come, self._rival.go, 40)],
        ]

    def _come(self) -> None:
        if has_published(self._stack.store):  # or the topic would be the rival's
            self._rival.come()

    def _of_way(self, kind: str, proxy: Proxy) -> list[Fault]:
        way, seconds = f"way to {kind}", ILL_SECONDS[kind]
        return [
            Fault(way, f"cut the connections to {kind}", proxy.cut, nothing, 0),
            Fault(way, f"hang the connections to {kind}", proxy.hang, proxy.heal, seconds),
            Fault(way, f"refuse connections to {kind}", proxy.refuse, proxy.heal, seconds),
        ]

    def _of_cluster(self, valkeys: ValkeyCluster) -> list[list[Fault]]:
        target, pick = "cluster", self._random.random()
        master, replica = Elected(valkeys, valkeys.masters, pick), Elected(valkeys, valkeys.replicas, pick)
        bucket = self._random.choice(keys.buckets(BUCKETS))

        def cut_off(name: str, from_clients: bool) -> Fault:
            strike = partial(master.cut_off, from_clients=from_clients)
            return Fault(target, name, strike, valkeys.heal, FAILOVER_SECONDS)

        def move() -> None:
            with suppress(RedisError):
                source = valkeys.master_of(bucket.sealed)
                others = [port for port in valkeys.masters() if port != source]
                if source and others:
                    valkeys.migrate(bucket.sealed, source, others[int(pick * len(others))])

        return [
            _of_server(target, "a master", master, FAILOVER_SECONDS),
            _of_server(target, "a replica", replica, FAILOVER_SECONDS),
            [
                cut_off("cut a master off", from_clients=True),
                cut_off("cut a master off from all but its clients", from_clients=False),
            ],
            [Fault("slot", "move a slot", move, nothing, 0)],
        ]

    def _of_program(self, name: str) -> list[Fault]:
        program, kind = self._stack.programs[name], name.split("-", maxsplit=1)[0]
        pick = self._random.random()

        def child(number: int) -> Callable[[], None]:
            def send() -> None:
                if children := self._stack.children(name):
                    with suppress(psutil.NoSuchProcess):
                        children[int(pick * len(children))].send_signal(number)

            return send

        faults = [
            Fault(name, f"kill a {kind}", lambda: program.send_all(SIGKILL), nothing, REST_SECONDS),
            Fault(name, f"end a {kind}", lambda: program.send(SIGTERM), nothing, REST_SECONDS),
            Fault(
                name,
                f"stop a {kind} for a while",
                lambda: program.send_all(SIGSTOP),
                lambda: program.send_all(SIGCONT),
                20 if kind == "worker" else 5,
            ),
        ]
        if kind == "worker":
            stop_child = Fault(name, "stop a flusher for a while", child(SIGSTOP), self._resume(name), 20)
            faults += [Fault(name, "kill a flusher", child(SIGKILL), nothing, 0), stop_child]
        return faults

    def _resume(self, name: str) -> Callable[[], None]:
        return lambda: self._stack.programs[name].send_all(SIGCONT)

    def _of_messages(self) -> list[Fault]:
        stack = self._stack

        def delete(client: redis.Redis, key: str) -> Callable[[], None]:
            def strike() -> None:
                with suppress(RedisError):
                    client.delete(key)

            return strike

        def burst() -> None:
            all(stack.send_flush() for _ in range(20))  # with Redis away, one is enough to wait for

        return [
            Fault("messages", "twenty flush tasks at once", burst, nothing, 0),
            Fault("messages", "lose all messages", delete(stack.broker, task_names.FLUSH_QUEUE), nothing, 0),
            Fault("lease", "break the flusher's lease", delete(stack.client, keys.LOCK), nothing, 0),
            Fault("lead", "break the beat's lead", delete(stack.broker, LEAD), nothing, 0),
        ]

    def _of_state(self) -> list[Fault]:
        """What is mended by itself; the name of the fault says what was overwritten, or deleted."""
        stack = self._stack

        def spoil(client: redis.Redis, key: str, value: str | None) -> Callable[[], None]:
            def strike() -> None:
                with suppress(RedisError):
                    client.set(key, value) if value else client.delete(key)

            return strike

        mended = {keys.LOCK: stack.client, keys.ATTEMPTS: stack.client} | dict.fromkeys(BEATS, stack.broker)
        return [
            Fault("state", f"{what} {key}", spoil(client, key, value), nothing, 0)
            for key, client in mended.items()
            for what, value in (("overwrite", "garbage"), ("delete", None))
        ]

    def _another(self, kind: str) -> Fault:
        program = self._stack.program(f"{kind}-{self._random.randrange(1000) + 3}")
        return Fault(f"another {kind}", f"run another {kind}", program.start, program.kill, 15)
