"""The whole of Tally as in production: nginx, two of each program, PostgreSQL, Prometheus.

Under load each part is restarted in turn: no call is refused, none fails, and the counts are exact.
"""

import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import cast

import httpx
import pytest

from counter.accepting.accept_call import PATH
from counter.redis.clients import connect
from counter.store.counts import CountStore
from counter.store.offsets import Progress, forget_events
from counter.store.publishing_state import PublishingState
from counter.task_names import FLUSH
from embedded.ports import free_port
from project.celery import app
from tests.support.access.certificates import Authority
from tests.support.callers.load import Load, kill_with_calls
from tests.support.checker import Calls, verify
from tests.support.processes import Process, ServerProcess, run, wait_until
from tests.support.programs import tally
from tests.support.reset import new_topics
from tests.support.servers.endpoint import Receiver, ok, receiving
from tests.support.servers.nginx import Nginx
from tests.support.servers.postgres import Postgres, running
from tests.support.servers.prometheus import Alertmanager, Prometheus, dashboard_queries
from tests.support.tally.web import manage, metric, migrate

# bin/tally's own name for each.
WEBS = {"web-1": "web", "web-2": "web"}
WORKERS = {"flush-1": "worker", "flush-2": "worker", "callbacks": "callbacks"}
BEATS = {"beat-1": "beat", "beat-2": "beat"}
READY = " ready."
SCRAPED = "flush-1"
"""The worker whose metrics are read as well."""

ALERT = "TallyRedisDown"
REFUSED = "Connection refused"
CLIENTS = 3
START_SECONDS = 120
DRAIN_SECONDS = 60
CALLS = 200
"""Between two steps: enough for many to be under way at each moment of a restart."""

# nginx is reloaded while these go on, and closes idle connections then, some of them just as a caller sends
# its next call. So they have a connection for each call, as docs/operations.md says.
ONE_CALL_EACH = {"Connection": "close"}


class Topology:
    """Everything that runs, by name; and what all callers so far were told."""

    def __init__(self, home: Path, postgres: Postgres, store: CountStore) -> None:
        self._home = home
        self._store = store
        self.postgres = postgres
        self.ports = {name: free_port() for name in WEBS}
        self.worker_metrics = free_port()
        self.receiver = free_port()
        allowed = f"127.0.0.1:{self.receiver}"
        self._env = {"DATABASE_URL": postgres.url, "CALLBACK_ALLOWED_HOSTS": allowed}
        self.webs = {name: self._program(name, program) for name, program in WEBS.items()}
        # Nodes need names of their own, which containers would give them.
        self.workers = {
            name: self._program(name, program, f"--hostname={name}@%h") for name, program in WORKERS.items()
        }
        self.beats = {name: self._program(name, program) for name, program in BEATS.items()}
        authority = Authority(home / "tls")
        self.tls = ssl.create_default_context(cafile=authority.ca.certificate)
        self.nginx = Nginx(home / "nginx", self.ports, authority.sign("tally"))
        self.alerts = free_port()
        self.alertmanager = Alertmanager(home / "alertmanager", f"http://127.0.0.1:{self.alerts}/")
        scraped = [*self.ports.values(), self.worker_metrics]
        self.prometheus = Prometheus(home / "prometheus", scraped, self.alertmanager.port)
        self.calls = Calls()

    def _program(self, name: str, program: str, *options: str) -> Process:
        folder = self._home / name
        (folder / "metrics").mkdir(parents=True)
        env = self._env | {"PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics")}
        env |= {"PORT": str(self.ports[name])} if name in self.ports else {}
        env |= {"METRICS_PORT": str(self.worker_metrics)} if name == SCRAPED else {}
        return tally(program, *options, log=folder / "log", env=env)

    @property
    def processes(self) -> list[Process]:
        programs = self.webs | self.workers | self.beats
        return [*programs.values(), self.nginx, self.prometheus, self.alertmanager]

    def load(self) -> Load:
        """Callers that come through nginx."""
        return Load(self.nginx.url, CLIENTS, tls=self.tls, headers=ONE_CALL_EACH)

    def wait_ready(self, name: str) -> None:
        """Until a web server can accept."""
        url = f"http://127.0.0.1:{self.ports[name]}/readyz"

        def is_ready() -> bool:
            with suppress(httpx.HTTPError):
                return httpx.get(url, timeout=5).is_success
            return False

        wait_until(is_ready, f"{name} is ready, see {self.webs[name].log}", START_SECONDS)

    def restart_web(self, name: str, load: Load) -> None:
        """As docs/operations.md says it, step by step."""
        self.nginx.reload(down=[name])
        before = self._accepted(name)
        load.wait_for(CALLS)
        assert self._accepted(name) == before, f"{name} is out of nginx, and is called"
        assert self.webs[name].stop() == 0
        self.webs[name].start()
        self.wait_ready(name)
        self.nginx.reload()

    def _accepted(self, name: str) -> float:
        return metric(f"http://127.0.0.1:{self.ports[name]}", "tally_accepted_calls_total")

    def keep_workers(self) -> None:
        """Start those that have ended, as what supervises them would.

        One that loses Redis with a message in hand ends with an error of kombu's.
        """
        for name, worker in self.workers.items():
            if not worker.is_running():
                starts = worker.output.count(READY)
                worker.start()
                self._wait_worker(name, starts)

    def restart_worker(self, name: str) -> None:
        """Stop it, and go on when it is at work again."""
        worker = self.workers[name]
        starts = worker.output.count(READY)
        assert worker.stop() == 0
        worker.start()
        self._wait_worker(name, starts)

    def _wait_worker(self, name: str, starts: int) -> None:
        worker = self.workers[name]
        wait_until(lambda: worker.output.count(READY) > starts, f"{name} is ready, see {worker.log}")

    def end_minute(self) -> None:
        """End the present minute before its time, and send a tick."""
        if pending := self._store.pending():
            if not self._store.sealed():
                PublishingState(self._store.client).begin_at(pending[0])
            self._store.seal(pending[-1])
        app.send_task(FLUSH)

    def verify(self, calls: Calls) -> None:
        """Publish all there is, and hold it against what these callers and those before them were told."""

        def is_drained() -> bool:
            self.end_minute()
            return not self._store.pending()

        self.calls.ok.update(calls.ok)
        self.calls.unknown.update(calls.unknown)
        wait_until(is_drained, "all that was accepted is published", DRAIN_SECONDS)
        with connect() as valkey:
            verify(self.calls, valkey)


@pytest.fixture(scope="module")
def topology(
    valkey_process: ServerProcess, kafka_process: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Topology]:
    with running() as postgres, connect() as valkey, ExitStack() as stack:
        valkey.flushall()
        new_topics()
        migrate(DATABASE_URL=postgres.url)
        topology = Topology(tmp_path_factory.mktemp("topology"), postgres, CountStore.known(valkey))
        for process in topology.processes:
            stack.enter_context(run(process))
        for name in topology.webs:
            topology.wait_ready(name)
        scraped = len(topology.webs) + 1
        wait_until(lambda: topology.prometheus.targets_up() == scraped, "Prometheus reads webs and a worker")
        yield topology


@pytest.mark.slow
def test_each_part_restarts_under_load_and_refuses_nothing(topology: Topology) -> None:
    with topology.load() as load:
        for name in topology.webs:
            load.wait_for(CALLS)
            topology.restart_web(name, load)
            topology.end_minute()
        for name in topology.workers:
            load.wait_for(CALLS)
            topology.restart_worker(name)
            topology.end_minute()
        for beat in topology.beats.values():
            load.wait_for(CALLS)
            assert beat.stop() == 0
            beat.start()
        load.wait_for(CALLS)
    assert (load.calls.unknown.total(), load.refused) == (0, 0)
    topology.verify(load.calls)


@pytest.mark.slow
def test_a_web_server_that_dies_costs_no_more_than_the_calls_it_had(topology: Topology) -> None:
    with topology.load() as load:
        load.wait_for(CALLS)
        topology.webs["web-1"].kill()
        wait_until(
            lambda: topology.nginx.output.count(REFUSED) > 2 * CLIENTS, "nginx tries it, again and again"
        )
    assert load.calls.unknown.total() <= CLIENTS
    assert load.refused == 0
    topology.webs["web-1"].start()
    topology.wait_ready("web-1")
    topology.verify(load.calls)


def test_a_call_that_a_dead_web_server_had_is_not_sent_to_another(
    topology: Topology, valkey_process: ServerProcess
) -> None:
    with topology.load() as load:
        load.wait_for(CALLS)
        kill_with_calls(topology.webs["web-1"], load, valkey_process)
        load.wait_for(CALLS)
    topology.webs["web-1"].start()
    topology.wait_ready("web-1")
    topology.verify(load.calls)


def test_a_call_ends_in_postgresql_and_at_its_endpoint(topology: Topology) -> None:
    with (
        httpx.Client(base_url=topology.nginx.url, verify=topology.tls) as caller,
        receiving(ok, topology.receiver) as receiver,
    ):
        assert caller.get(PATH, params={"id": 7, "endpoint": receiver.url}).text == "ok"
        assert receiver.got.get(timeout=DRAIN_SECONDS)[0] == "/"
        topology.verify(Calls(ok=Counter({7: 1})))
        caller.headers["Authorization"] = f"Bearer {reader(topology.postgres)}"
        published = caller.get("/api/v1/published/").raise_for_status().json()["results"]
    least, perhaps = topology.calls.ok.total(), topology.calls.unknown.total()
    assert least <= sum(minute["total"] for minute in published) <= least + perhaps


def reader(postgres: Postgres) -> str:
    """A token of somebody's who may read."""
    env = {"DATABASE_URL": postgres.url, "DJANGO_SUPERUSER_PASSWORD": "lovelace"}
    manage("createsuperuser", "--noinput", "--username=ada", "--email=", **env)
    return manage("create_token", "ada", **env).split()[2]


def test_an_alert_fires_and_clears(topology: Topology, valkey_process: ServerProcess) -> None:
    assert ALERT not in topology.prometheus.firing()
    valkey_process.kill()
    try:
        wait_until(lambda: ALERT in topology.prometheus.firing(), f"{ALERT} fires", 120)
    finally:
        valkey_process.start()
    wait_until(lambda: ALERT not in topology.prometheus.firing(), f"{ALERT} clears", 120)


def test_an_alert_of_a_stopped_worker_arrives_and_is_resolved(topology: Topology) -> None:
    topology.keep_workers()
    worker = topology.workers[SCRAPED]
    with receiving(ok, topology.alerts) as receiver:
        wait_until(lambda: topology.prometheus.targets_up() == len(WEBS) + 1, "it is scraped")
        worker.send(SIGSTOP)
        try:
            alert = arrived(receiver, "firing")
        finally:
            worker.send(SIGCONT)
        assert alert["labels"]["instance"] == f"127.0.0.1:{topology.worker_metrics}"
        assert alert["annotations"]["runbook_url"].endswith("/docs/operations.md#tallytargetdown")
        arrived(receiver, "resolved")


def arrived(receiver: Receiver, status: str) -> dict[str, dict[str, str]]:
    """The alert of a target that is down, once it is there with this status."""
    while True:
        _, _, message = receiver.got.get(timeout=120)
        assert isinstance(message, dict)
        for alert in message["alerts"]:
            if (alert["labels"]["alertname"], alert["status"]) == ("TallyTargetDown", status):
                return cast("dict[str, dict[str, str]]", alert)


def test_every_panel_of_the_dashboard_has_data(topology: Topology) -> None:
    """But for the alerts: none may fire. Those of event mode have a partition that was just begun."""
    topology.keep_workers()
    queries = [query for query in dashboard_queries() if "ALERTS" not in query]
    with connect() as client, topology.load() as load:
        store = CountStore.known(client)
        Progress.known(store.client).begin(0, 0)
        try:
            load.wait_for(CALLS)
            app.send_task(FLUSH)
            wait_until(
                lambda: not [query for query in queries if not topology.prometheus.has_data(query)],
                "all have data",
                120,
            )
        finally:
            forget_events(store.client)
