"""Prometheus with Tally's rules, which looks every second."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import httpx

from embedded.ports import free_port
from tests.support.needs import program
from tests.support.processes import ROOT, Process

CONFIGURATION = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: tally
    static_configs: [{{targets: {targets}}}]
"""
RULES = ROOT / "ops/prometheus/tally.rules.yml"


class Prometheus(Process):
    """Reads `/metrics` of those ports."""

    def __init__(self, home: Path, ports: Collection[int]) -> None:
        home.mkdir()
        self._port = free_port()
        targets = [f"127.0.0.1:{port}" for port in ports]
        (home / "prometheus.yml").write_text(CONFIGURATION.format(rules=RULES, targets=targets))
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

    def _get(self, what: str) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self._port}/api/v1/{what}").json()["data"]
        except httpx.ConnectError:  # it has just been started
            return {"activeTargets": [], "alerts": []}
        return answer
