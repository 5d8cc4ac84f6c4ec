"""A master with two replicas, and three sentinels that watch it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import redis
from redis.exceptions import RedisError

from embedded.ports import free_port
from embedded.valkey import Valkey
from tests.support.processes import ServerProcess, run, wait_until

SERVICE = "tally"
REPLICAS, SENTINELS = 2, 3
DOWN_MS, FAILOVER_MS = 1_000, 10_000


class SentinelValkey(Valkey):
    """Watches the master at `port_of_master`."""

    def __init__(self, home: Path, port_of_master: int) -> None:
        super().__init__(home, free_port())
        self._lines = (
            f"port {self.port}",
            "bind 127.0.0.1",
            f'dir "{self.home}"',
            f"sentinel monitor {SERVICE} 127.0.0.1 {port_of_master} {SENTINELS // 2 + 1}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_MS}",
            f"sentinel failover-timeout {SERVICE} {FAILOVER_MS}",
        )

    def prepare(self) -> None:
        super().prepare()
        self._configuration.write_text("".join(f"{line}\n" for line in self._lines))

    @property
    def command(self) -> list[str]:
        return [*super().command, "--sentinel"]


class Watched:
    """What runs; `url` is that of its sentinels."""

    def __init__(self, home: Path) -> None:
        master = free_port()
        servers = [Valkey(home / "0", master)]
        of_master = {"replicaof": f"127.0.0.1 {master}"}
        servers += [Valkey(home / str(n + 1), free_port(), of_master) for n in range(REPLICAS)]
        self.servers = {server.port: ServerProcess(server) for server in servers}
        sentinels = [SentinelValkey(home / f"sentinel-{n}", master) for n in range(SENTINELS)]
        self.sentinels = {sentinel.port: ServerProcess(sentinel) for sentinel in sentinels}
        ports = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        self.url = f"redis+sentinel://{ports}/{SERVICE}/0"

    def master(self) -> int:
        """The port of the one that takes writes; 0 while there is none."""
        for port, process in self.servers.items():
            with suppress(RedisError), redis.Redis(port=port, socket_timeout=1) as client:
                if process.is_running() and client.role()[0] == b"master":
                    return port
        return 0

    def is_whole(self) -> bool:
        """Whether all replicas follow, and every sentinel knows of them and of the others."""
        with suppress(RedisError):
            for port in self.sentinels:
                with redis.Redis(port=port) as client:
                    state = client.sentinel_master(SERVICE)
                    if state["num-slaves"] != REPLICAS or state["num-other-sentinels"] != SENTINELS - 1:
                        return False
            with redis.Redis(port=self.master()) as client:
                return bool(
                    client.set("x", 1) and client.wait(REPLICAS, 1000) == REPLICAS and client.delete("x")
                )
        return False


@contextmanager
def running(home: Path) -> Iterator[Watched]:
    """New ones for the time of the block."""
    watched = Watched(home)
    with ExitStack() as stack:
        for process in (*watched.servers.values(), *watched.sentinels.values()):
            stack.enter_context(run(process))
        wait_until(watched.is_whole, "the sentinels know all of it")
        yield watched
