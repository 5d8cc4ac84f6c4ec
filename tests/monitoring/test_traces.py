"""Traces, as a collector gets them from real processes: off unless OTEL_* asks for them."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from celery.schedules import crontab
from redbeat import RedBeatSchedulerEntry

from counter.store.counts import CountStore
from counter.task_names import CALLBACK_QUEUES, FLUSH
from project.celery import app
from tests.support.logs import lines
from tests.support.processes import run, run_python, wait_until
from tests.support.programs import celery
from tests.support.servers.collector import Collector, collecting
from tests.support.tally.flushing import accept, next_minute
from tests.support.tally.web import migrate, serving

ACCEPT = "/api/verve/accept"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def otel(collector: Collector) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}


def make_a_tick_due() -> None:
    """The next beat finds that its last tick was an hour ago."""
    entry = RedBeatSchedulerEntry("flush-closed-minutes", FLUSH, crontab(), app=app).save()
    entry.reschedule(datetime.now(UTC) - timedelta(hours=1))


@pytest.mark.usefixtures("kafka")
def test_a_trace_leads_from_beats_tick_to_the_commit(store: CountStore, collector: Collector) -> None:
    migrate()
    worker = celery(
        "traced-worker", "worker", "--queues", "tally.flush", "--concurrency", "1", **otel(collector)
    )
    beat = celery("traced-beat", "beat", "--pidfile=", **otel(collector))
    minute = accept(store, 1, 2)
    next_minute(store)
    make_a_tick_due()
    with run(beat):
        # The worker takes the messages in order: this one, then what it sends itself at its start.
        wait_until(lambda: collector.named(f"apply_async/{FLUSH}"), "beat's tick is sent")
    with run(worker):
        wait_until(lambda: len(way_to_commit(collector)) == 3, "all of the trace has come", 90)
        assert way_to_commit(collector) == [
            ("tally-beat", f"apply_async/{FLUSH}"),
            ("tally-worker", f"run/{FLUSH}"),
            ("tally-worker", "6b.commit"),
        ]
        [line] = [line for line in lines(worker.log) if line["event"] == "published"]
        worker.stop()  # which sends the last spans
    [commit] = collector.named("6b.commit")
    assert (line["minute"], line["trace_id"]) == (str(minute), commit.trace)
    names = {span.name for span in collector.spans if span.trace == commit.trace}
    assert {"1.lock", "2.init", "3.last", "6a.seal", "6b.id_counts", "6c.read_back", "6e.settle"} <= names
    assert below(collector, "6a.seal"), "commands of Redis"
    assert not below(collector, "6b.id_counts"), "they come for every thousand ids"
    roots = {span.name for span in collector.spans if not span.parent}
    assert roots == {f"apply_async/{FLUSH}", f"run/{FLUSH}"}, "none of Redis that belong to nothing"


def way_to_commit(collector: Collector) -> list[tuple[str, str]]:
    commits = collector.named("6b.commit")
    return [(span.service, span.name) for span in collector.way_to(commits[0])] if commits else []


def below(collector: Collector, name: str) -> list[str]:
    ids = {span.id for span in collector.named(name)}
    return [span.name for span in collector.spans if span.parent in ids]


@pytest.mark.usefixtures("valkey")
def test_a_batch_of_the_hot_path_is_one_span_and_a_callback_leads_on(collector: Collector) -> None:
    worker = celery(
        "traced-callbacks",
        "worker",
        "--queues",
        ",".join(CALLBACK_QUEUES),
        "--pool",
        "threads",
        **otel(collector),
    )
    with serving("web", 1, "traced-web.log", **otel(collector)) as url, run(worker):
        assert httpx.get(f"{url}{ACCEPT}", params={"id": 1}).text == "ok"
        wait_until(lambda: collector.named("accept.lua"), "the batch has come")
        [batch] = collector.named("accept.lua")
        assert (batch.service, batch.parent, batch.attributes["tally.calls"]) == ("tally-web", "", "1")

        wait_until(lambda: " ready." in worker.output, "the worker is ready")
        query: dict[str, str | int] = {"id": 1, "endpoint": "http://127.0.0.1/?password=hush-hush"}
        assert httpx.get(f"{url}{ACCEPT}", params=query).text == "ok"
        task = "tasks.callbacks.call_endpoint"
        wait_until(lambda: collector.named(f"run/{task}"), "the callback has come")
        [called] = collector.named(f"run/{task}")
        wait_until(lambda: len(collector.way_to(called)) == 3, "all of the trace has come")
        assert [(span.service, span.name) for span in collector.way_to(called)] == [
            ("tally-web", "GET api/verve/accept"),
            ("tally-web", f"apply_async/{task}"),
            ("tally-worker", f"run/{task}"),
        ]
        httpx.get(f"{url}/healthz")
        httpx.get(f"{url}/api/schema/")
        wait_until(lambda: collector.named("GET api/schema/"), "the next request has come")
    assert not collector.named("GET healthz")
    request = collector.way_to(called)[0]
    assert not [value for value in request.attributes.values() if "hush-hush" in value]


NO_TEXT = {
    b"/api/verve/accept?id=\xff": 400,
    b"/api/verve/accept?id=%FF": 400,
    b"/api/verve/accept?id=1&endpoint=\xff": 400,
    b"/api/verve/accept?id=1&endpoint=http://host/%FF": 400,
    b"/api/v1/published/?cursor=\xff\xfe": 400,
    b"/api/v1/published/?cursor=%FF%FE": 401,
    b"/api/\xff/": 400,
    b"/api/%FF/": 404,
}
"""What to ask for, and the status of the answer."""


@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("env", [{}, {"OTEL_TRACES_EXPORTER": "console"}], ids=["off", "on"])
def test_bytes_that_are_no_text_are_answered_the_same(env: dict[str, str]) -> None:
    with serving("web", 1, "no-text.log", **env) as url:
        assert {path: status(url, path) for path in NO_TEXT} == NO_TEXT


def status(url: str, path: bytes) -> int:
    """As a client gets it that sends whatever it likes."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as caller:
        caller.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return int(caller.makefile("rb").readline().split()[1])


OFF = """
import json, sys
import django
django.setup()
from project.telemetry import traces
traces.set_up("web")
import project.asgi, tasks.publishing.flush_task
from counter.telemetry import tracing
# redis-py imports the SDK's metrics where they are installed.
ours = {"opentelemetry.sdk.trace", "opentelemetry.instrumentation", "opentelemetry.exporter"}
print(json.dumps([traces.is_asked_for(), bool(ours & set(sys.modules)), type(tracing.current).__name__]))
"""


@pytest.mark.parametrize(
    ("env", "is_on"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost"}, False),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
    ],
)
def test_nothing_of_the_sdk_is_there_unless_it_is_asked_for(env: dict[str, str], is_on: bool) -> None:
    done = run_python(OFF, **env)
    asked, imported, kind = json.loads(done.stdout.splitlines()[0])
    assert (asked, imported, kind) == (is_on, is_on, "_Spans" if is_on else "Spans")


def test_an_exporter_that_is_not_there_is_said_and_stops_nothing() -> None:
    env = {"OTEL_TRACES_EXPORTER": "carrier-pigeon"}
    done = run_python(OFF, **env)
    assert json.loads(done.stdout)[2] == "Spans"
    assert "carrier-pigeon" in done.stderr
