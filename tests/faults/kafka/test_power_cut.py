"""A power cut with one broker: what it has acknowledged is on its disk, and not in its memory alone."""

import os
from pathlib import Path

import psutil
import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from counter.kafka.client import REQUESTS
from counter.sinks.kafka.sync_producer import SyncProducer
from tasks.kafka.shape_rules import TRANSACTION_LOG
from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS, create_topics
from tasks.publishing.flush import Flush
from tests import strace
from tests.faults.tally import Tally
from tests.support.processes import ServerProcess

pytestmark = pytest.mark.django_db


def our_ports() -> set[int]:
    """Of this process's connections to the broker."""
    port = int(django_settings.KAFKA_BOOTSTRAP_SERVERS.rpartition(":")[2])
    connections = psutil.Process(os.getpid()).net_connections("tcp")
    return {each.laddr.port for each in connections if each.raddr and each.raddr.port == port}


def test_a_minute_is_on_disk_before_its_commit_is_acknowledged(
    tally: Tally, kafka_process: ServerProcess, tmp_path: Path
) -> None:
    tally.end_two_minutes()
    log = tmp_path / "strace"
    with strace.tracing(kafka_process.pid, log):
        Flush(tally.store.client).run()
    seen = strace.read(log, set())
    assert {UNIQUE_COUNTS, ID_COUNTS, TRANSACTION_LOG} <= set(seen.appended)
    assert seen.flushed == seen.appended
    tally.verify()


@pytest.mark.usefixtures("tally")
def test_an_event_is_on_disk_before_its_call_is_answered(
    kafka_process: ServerProcess, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ACCEPT_SINK = "kafka"
    monkeypatch.setattr(
        "counter.sinks.kafka.sync_producer.DEADLINE_SECONDS", 30
    )  # the topic is new, and strace slows
    monkeypatch.setattr("counter.kafka.requests.MESSAGE_TIMEOUT_MS", 30_000)
    create_topics()
    recorder = SyncProducer()
    recorder.record([1])
    log = tmp_path / "strace"
    with strace.tracing(kafka_process.pid, log):
        for id in range(20):
            recorder.record([id])
        ports = our_ports()
    seen = strace.read(log, ports)
    assert seen.appended[REQUESTS] == seen.flushed[REQUESTS] == 20
    assert REQUESTS not in seen.answered_early
