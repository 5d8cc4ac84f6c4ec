"""The embedded servers, and the pieces that the run of the whole system is made of."""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Barrier, BrokenBarrierError

import psutil
import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from embedded import jars
from embedded.kafka import ARCHIVES, Kafka, class_cache
from embedded.leash import leashed
from embedded.ports import free_port
from embedded.tail import Tail
from embedded.valkey import Valkey
from tests.support.processes import DEADLINE_SECONDS, ROOT, Process, ServerProcess, run, wait_until


def test_a_free_port_is_given_once_and_outgoing_connections_get_none() -> None:
    ports = [free_port() for _ in range(500)]
    assert len(set(ports)) == len(ports)
    outgoing = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if outgoing.exists():
        assert max(ports) < int(outgoing.read_text().split()[0])


def test_no_two_processes_that_run_at_once_are_given_the_same_port() -> None:
    take = "print(*[free_port() for _ in range(500)], flush=True)"
    code = f"import sys; from embedded.ports import free_port; {take}; sys.stdin.read()"
    with ExitStack() as stack:
        others = [
            stack.enter_context(Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE, cwd=ROOT))
            for _ in range(4)
        ]
        given = [port for other in others if other.stdout for port in other.stdout.readline().split()]
    assert len(set(given)) == len(given) == 4 * 500


def test_valkey_keeps_everything_over_kill_9(tmp_path: Path) -> None:
    valkey = Valkey(tmp_path, free_port())
    process = ServerProcess(valkey)
    with run(process), redis.Redis.from_url(valkey.url) as client:
        client.set("key", "value")
        process.kill()
        process.start()
        assert client.get("key") == b"value"


def test_valkey_acknowledges_what_is_on_disk_and_evicts_nothing(valkey: redis.Redis) -> None:
    wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "save": ""}
    assert valkey.config_get(*wanted) == wanted


def test_valkey_takes_other_directives(tmp_path: Path) -> None:
    valkey = Valkey(tmp_path / "with spaces", free_port(), {"appendonly": "no"})
    with run(ServerProcess(valkey)), redis.Redis.from_url(valkey.url, decode_responses=True) as client:
        assert client.config_get("appendonly", "dir") == {"appendonly": "no", "dir": str(valkey.home)}


def test_kafka_keeps_everything_over_kill_9_and_a_change_of_port(tmp_path: Path) -> None:
    first = Kafka(tmp_path / "with spaces", free_port())
    process = ServerProcess(first)
    with run(process):
        admin = AdminClient({"bootstrap.servers": first.bootstrap_servers, "log_level": 2})
        admin.create_topics([NewTopic("topic", 1, 1)])["topic"].result()
        produce(first, b"before")
        process.kill()
        process.start()
        produce(first, b"after")
        # Its markers are written, too, which a Kafka that is killed before forgets at times (KAFKA-20734).
        assert consume(first, 2) == [b"before", b"after"]
    second = Kafka(first.home, free_port())
    with run(ServerProcess(second)):
        assert consume(second, 2) == [b"before", b"after"]


def test_classes_that_cannot_be_used_are_passed_over(tmp_path: Path) -> None:
    archives = tmp_path / "archives"
    archives.mkdir()
    (archives / jars.VERSION).symlink_to(ARCHIVES / jars.VERSION)
    class_cache(archives).write_text("no classes")
    kafka = Kafka(tmp_path / "kafka", free_port(), archives)
    assert f"-XX:AOTCache={class_cache(archives)}" in kafka.command
    with run(ServerProcess(kafka)):
        assert kafka.is_ready()


def produce(kafka: Kafka, value: bytes) -> None:
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": "test", "log_level": 2}
    )
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce("topic", value)
    producer.commit_transaction()


def consume(kafka: Kafka, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": "test", "log_level": 2})
    consumer.assign([TopicPartition("topic", 0, 0)])
    values = [message.value() for message in consumer.consume(count, timeout=DEADLINE_SECONDS)]
    consumer.close()
    return values


def test_a_server_that_does_not_run_is_not_ready(tmp_path: Path) -> None:
    assert not Valkey(tmp_path, free_port()).is_ready()
    assert not Kafka(tmp_path, free_port()).is_ready()


def test_a_download_that_differs_from_the_lock_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(session: object, coordinate: str) -> bytes:
        return b"not Kafka"

    monkeypatch.setattr(jars, "_archive", download)
    with pytest.raises(RuntimeError, match=r"not what kafka\.lock says"):
        jars.fetch(tmp_path / "jars")
    assert not (tmp_path / "jars").exists()


def test_of_several_at_once_one_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads: list[Path] = []
    two = Barrier(2)

    def download(locked: list[str], target: Path) -> None:
        downloads.append(target)
        with suppress(BrokenBarrierError):
            two.wait(timeout=0.5)  # for a second one, which must not come

    monkeypatch.setattr(jars, "_download", download)
    with ThreadPoolExecutor(3) as callers:
        list(callers.map(jars.fetch, [tmp_path / "jars"] * 3))
    assert len(downloads) == 1


def test_a_tail_reads_whole_lines_and_goes_on_after_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old\n")
    tail = Tail(path)
    with path.open("a", buffering=1) as log:
        log.write("one\n")
        assert tail.read() == b"one\n"
        log.write("two\nthr")
        log.flush()
        assert tail.read() == b"two\n"
        log.write("ee\n")
    path.rename(tmp_path / "log.1")
    assert tail.read() == b"three\n"
    path.write_text("four\n")
    assert tail.read() == b"four\n"
    tail.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process is told that its parent died")
def test_a_leashed_process_stops_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = f"import subprocess; subprocess.run({leashed(['sleep', '1000'])})"
    process = Process([sys.executable, "-c", parent], tmp_path / "log")
    with run(process):
        wait_until(lambda: sleepers(process.pid), "the child runs")
        (child,) = sleepers(process.pid)
        process.send(signal.SIGKILL)
        wait_until(lambda: not child.is_running(), "the child is gone")


def sleepers(parent: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(parent).children() if child.name() == "sleep"]
