"""Prometheus with Tally's rules, and Alertmanager with its routes, which look every few seconds."""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import httpx

from embedded.ports import free_port
from tests.support.needs import program
from tests.support.processes import ROOT, Process

PATIENCE = re.compile(r"^( *)(for|group_wait|group_interval): .*$", re.MULTILINE)
"""How long something must last before anybody hears of it."""

CONFIGURATION = """
global: {{scrape_interval: 4s, scrape_timeout: 4s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: tally
    static_configs: [{{targets: {targets}}}]
alerting:
  alertmanagers:
    - static_configs: [{{targets: {alertmanagers}}}]
"""
RULES = ROOT / "ops/prometheus/tally.rules.yml"
DASHBOARD = ROOT / "ops/grafana/tally.json"
ROUTES = ROOT / "ops/prometheus/alertmanager.yml"
WEBHOOK = "http://alerts.example.com/tally"


def dashboard_queries() -> list[str]:
    """What the panels ask, with Grafana's variables filled in."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return [query.replace("$__rate_interval", "1m").replace("$instance", ".*") for query in queries]


def _impatient(text: str) -> str:
    return PATIENCE.sub(r"\1\2: 1s", text)


class Alertmanager(Process):
    """Sends what it is told to this url, soon."""

    def __init__(self, home: Path, webhook: str) -> None:
        home.mkdir()
        self.port = free_port()
        text = ROUTES.read_text()
        assert text.count(WEBHOOK) == 1
        (home / "alertmanager.yml").write_text(_impatient(text).replace(WEBHOOK, webhook))
        options = [
            f"--config.file={home}/alertmanager.yml",
            f"--storage.path={home}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]
        command = [program("prometheus-alertmanager", "prometheus-alertmanager"), *options]
        super().__init__(command, home / "alertmanager.log")


class Prometheus(Process):
    """Reads `/metrics` of those ports, and tells an Alertmanager on another."""

    def __init__(self, home: Path, ports: Collection[int], alertmanager: int) -> None:
        home.mkdir()
        self._port = free_port()
        targets = [f"127.0.0.1:{port}" for port in ports]
        rules = home / RULES.name
        rules.write_text(_impatient(RULES.read_text()))
        (home / "prometheus.yml").write_text(
            CONFIGURATION.format(rules=rules, targets=targets, alertmanagers=[f"127.0.0.1:{alertmanager}"])
        )
        options = [
            f"--config.file={home}/prometheus.yml",
            f"--storage.tsdb.path={home}/data",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        super().__init__([program("prometheus", "prometheus"), *options], home / "prometheus.log")

    def targets_up(self) -> int:
        """How many web servers it could read."""
        return sum(target["health"] == "up" for target in self._get("targets")["activeTargets"])

    def firing(self) -> set[str]:
        """The alerts that are firing."""
        return {
            alert["labels"]["alertname"]
            for alert in self._get("alerts")["alerts"]
            if alert["state"] == "firing"
        }

    def has_data(self, query: str) -> bool:
        """Whether it has anything to say to it now."""
        return bool(self._get("query", query=query).get("result"))

    def _get(self, what: str, **parameters: str) -> dict[str, Any]:
        try:
            url = f"http://127.0.0.1:{self._port}/api/v1/{what}"
            answer: dict[str, Any] = httpx.get(url, params=parameters).json()["data"]
        except httpx.ConnectError:  # it has just been started
            return {"activeTargets": [], "alerts": []}
        return answer
