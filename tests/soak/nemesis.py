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
from redis.exceptions import RedisError

from counter import keys
from tests.processes import Process
from tests.proxy import Proxy
from tests.soak.stack import Stack

QUEUE, LEAD = "tally.flush", "redbeat::lock"
PAUSE_SECONDS = (0.5, 4.0)
"""Between two faults: from the one to the other."""

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


class Nemesis:
    """Two runs with one seed draw the same faults, though at other moments of the system's life."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self._stack = stack
        self._random = random.Random(seed)
        self._ill: dict[str, tuple[float, Fault]] = {}
        self._next = time.monotonic()
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
        for _, fault in list(self._ill.values()):
            self._heal(fault)

    def _strike(self, fault: Fault, now: float) -> None:
        # Drawn first, so that the sequence is the seed's alone.
        seconds = self._random.uniform(0, fault.seconds)
        if fault.target in self._ill:
            return
        fault.strike()
        self.faults[fault.name] += 1
        self._ill[fault.target] = (now + seconds, fault)

    def _heal(self, fault: Fault) -> None:
        fault.heal()
        del self._ill[fault.target]

    def _faults(self) -> list[list[Fault]]:
        """By what they strike, so that nothing is struck more often because it can be in more ways."""
        stack = self._stack
        return [
            self._of_proxy("redis", stack.redis_proxy, 2.0),
            self._of_proxy("kafka", stack.kafka_proxy, 6.0),
            self._of_server("valkey", stack.valkey, 2.0),
            self._of_server("kafka", stack.kafka, 5.0),
            *(self._of_program(name) for name in stack.programs),
            self._of_messages(),
            [self._another("worker"), self._another("beat")],
        ]

    def _of_proxy(self, name: str, proxy: Proxy, seconds: float) -> list[Fault]:
        way = f"way to {name}"
        return [
            Fault(way, f"cut the connections to {name}", proxy.cut, nothing, 0),
            Fault(way, f"hang the connections to {name}", proxy.hang, proxy.heal, seconds),
            Fault(way, f"refuse connections to {name}", proxy.refuse, proxy.heal, seconds),
        ]

    def _of_server(self, name: str, server: Process, seconds: float) -> list[Fault]:
        start = partial(Process.start, server)  # which does not wait until it answers
        stop, resume = (lambda: server.send(SIGSTOP)), (lambda: server.send(SIGCONT))
        return [
            Fault(name, f"kill {name}", server.kill, start, seconds),
            Fault(name, f"stop {name} for a while", stop, resume, seconds),
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

        def delete(key: str) -> Callable[[], None]:
            def strike() -> None:
                with suppress(RedisError):
                    stack.client.delete(key)

            return strike

        def burst() -> None:
            all(stack.send_flush() for _ in range(20))  # with Redis away, one is enough to wait for

        return [
            Fault("messages", "twenty flush tasks at once", burst, nothing, 0),
            Fault("messages", "lose all messages", delete(QUEUE), nothing, 0),
            Fault("lease", "break the flusher's lease", delete(keys.LOCK), nothing, 0),
            Fault("lead", "break the beat's lead", delete(LEAD), nothing, 0),
        ]

    def _another(self, kind: str) -> Fault:
        program = self._stack.program(f"{kind}-{self._random.randrange(1000) + 3}")
        return Fault(f"another {kind}", f"run another {kind}", program.start, program.kill, 15)
