"""What Prometheus is told, by the web server and by the exporter, and what the alerts make of it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
import yaml
from prometheus_client.parser import text_string_to_metric_families

from counter.minute import Minute
from counter.monitoring import exposition
from counter.redis import clock
from counter.store.claim import Claim, count_claims
from counter.store.counts import CountStore
from counter.store.keys import WHOLE
from counter.store.offsets import Progress
from counter.store.publishing_state import PublishingState
from embedded.ports import free_port
from tests.support.directives import configured
from tests.support.needs import program
from tests.support.processes import HOME, ROOT, Process, ServerProcess, run, wait_until
from tests.support.servers.prometheus import DASHBOARD, RULES, dashboard_queries
from tests.support.tally.flushing import accept, next_minute, publish_one
from tests.support.tally.flushing import run as run_flush
from tests.support.tally.web import manage_command, serving

RUNBOOK = "https://github.com/example/tally/blob/main/docs/operations.md"
RULE_TESTS = RULES.with_name("tally.rules.test.yml")


def samples(text: str | None = None) -> dict[str, float]:
    """Name -> value, summed over labels, of this process's own view unless a text is given."""
    values: dict[str, float] = {}
    for family in text_string_to_metric_families(text or exposition.scrape().decode()):
        for sample in family.samples:
            values[sample.name] = values.get(sample.name, 0) + sample.value
    return values


@pytest.fixture
def web(valkey_process: ServerProcess) -> Iterator[str]:
    with serving() as url:
        yield url


def test_each_script_is_observed_once(web: str, valkey: redis.Redis) -> None:
    before = samples(httpx.get(f"{web}/metrics").text)
    httpx.get(f"{web}/api/verve/accept?id=1")
    httpx.post(f"{web}/api/v1/accept/", json={"ids": list(range(1500))})
    after = samples(httpx.get(f"{web}/metrics").text)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown["tally_accepted_calls_total"] == 1501
    assert grown["tally_script_calls_count"] == grown["tally_script_seconds_count"] == 3
    assert grown["tally_script_calls_sum"] == 1501


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_the_flush_is_counted(store: CountStore) -> None:
    before = samples()
    publish_one(store)
    accept(store, 5, 6, 5)
    next_minute(store)
    run_flush(store)
    after = samples()
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown["tally_published_minutes_total"] == 2
    assert grown["tally_published_ids_total"] == 3
    assert grown["tally_published_calls_total"] == 4
    assert grown["tally_publishing_lag_seconds_count"] == 2
    assert grown["tally_flush_step_seconds_count"] > 20


def test_what_waits_is_told(store: CountStore, valkey: redis.Redis) -> None:
    assert samples()["tally_pending_minutes"] == 0
    minute = accept(store, 1, 2, 3)
    seen = samples()
    assert (seen["tally_pending_minutes"], seen["tally_pending_ids"]) == (1, 3)
    assert seen["tally_oldest_closed_seconds"] == 0
    make_it_older(valkey, minute)
    assert 240 < samples()["tally_oldest_closed_seconds"] < 360
    assert samples()["tally_publishing_halted"] == 0
    PublishingState(store.client).halt("for a reason")
    assert samples()["tally_publishing_halted"] == 1


def test_how_far_each_partition_is_read_is_told(store: CountStore) -> None:
    assert "tally_partition_next_offset" not in samples()
    minute = Minute.at(clock.now(store.client)) - 10
    for partition in (0, 1):
        Progress.known(store.client).begin(partition, 0)
        time = int(minute.start.timestamp() * 1000)
        count_claims(store.client, [Claim(WHOLE, partition, 0, 3, time, minute, [1, 2])])
    seen = samples()
    assert seen["tally_partition_next_offset"] == 6
    assert 2 * 600 <= seen["tally_partition_behind_seconds"] < 2 * 700


def make_it_older(valkey: redis.Redis, minute: Minute) -> None:
    """Let the minute be the one of five minutes earlier."""
    earlier = minute - 5
    valkey.rename(f"tally:stats:{minute}", f"tally:stats:{earlier}")
    valkey.delete("tally:pending")
    valkey.zadd("tally:pending", {str(earlier): str(earlier)})


def test_a_redis_that_is_not_safe_is_told(valkey: redis.Redis) -> None:
    assert (samples()["tally_redis_noeviction"], samples()["tally_redis_append_only_ok"]) == (1, 1)
    with configured(valkey, "maxmemory-policy", "allkeys-lru"):
        assert samples()["tally_redis_noeviction"] == 0


def test_redis_away_is_told(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    seen = samples()
    assert seen["tally_redis_up"] == 0
    assert "tally_pending_minutes" not in seen


def test_the_exporter_tells_it_where_no_web_server_runs(valkey: redis.Redis) -> None:
    port = free_port()
    command = manage_command("export_metrics", "--port", str(port))
    exporter = Process(command, HOME / "exporter.log")
    with run(exporter):
        wait_until(lambda: "/metrics" in exporter.output, "it listens")
        seen = samples(httpx.get(f"http://127.0.0.1:{port}/metrics").text)
        assert seen["tally_redis_up"] == 1
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert "Set --port to another one" in second.stderr


def alert_queries() -> list[str]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    return [rule["expr"] for rule in group["rules"]]


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_alerts_and_dashboard_ask_only_for_what_a_scrape_has(store: CountStore) -> None:
    publish_one(store)
    Progress.known(store.client).begin(0, 0)
    told = set(samples())
    for query in (*alert_queries(), *dashboard_queries()):
        names = set(re.findall(r"\btally_[a-z0-9_]+", query))
        assert names or "ALERTS" in query
        assert names <= told, query


def test_prometheus_understands_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"query_{n}", "expr": query} for n, query in enumerate(dashboard_queries())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file))


def test_the_dashboard_is_imported_without_editing() -> None:
    """Its source is a variable, and so are the instances that each of its panels shows."""
    board = json.loads(DASHBOARD.read_text())
    source, instance = board["templating"]["list"]
    assert (source["name"], source["type"]) == ("datasource", "datasource")
    for panel in [*board["panels"], instance]:
        assert panel.get("type") == "row" or panel["datasource"]["uid"] == "${datasource}"
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
            assert target["expr"].count("instance=~") == len(re.findall(r"\btally_", target["expr"]))


def test_the_panels_fill_the_dashboard_without_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    taken = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(taken) == len(set(taken)) == 24 * (max(y for _, y in taken) + 1)


def test_a_gauge_of_a_process_that_is_gone_is_forgotten() -> None:
    code = (
        "import django; django.setup(); from counter.telemetry.metrics import QUEUE_CALLS as q; q.set(5);"
        "from counter.monitoring.exposition import scrape; print(scrape().decode())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert samples(done.stdout)["tally_queue_calls"] == 5
    assert samples().get("tally_queue_calls", 0) == 0


def test_every_alert_has_its_section() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    sections = set(re.findall(r"^### (Tally\w+)$", text, re.MULTILINE))
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    assert {rule["alert"] for rule in group["rules"]} == {
        name for name in sections if name.startswith("Tally")
    }
    for rule in group["rules"]:
        assert rule["annotations"]["runbook_url"] == f"{RUNBOOK}#{rule['alert'].lower()}"


def test_the_alerts_fire_and_clear() -> None:
    promtool("test", "rules", str(RULE_TESTS))


def promtool(*arguments: str) -> None:
    command = [program("promtool", "prometheus"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
