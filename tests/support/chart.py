"""The chart of ops/helm as Kubernetes would get it."""

import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from tests.support.needs import program
from tests.support.processes import BIN, ROOT

CHART = ROOT / "ops" / "helm" / "tally"
RELEASE = "tally"
NEEDED = ("--set", "kafka.bootstrapServers=kafka.example.com:9092")
VALUES: dict[str, tuple[str, ...]] = {
    "default": (),
    "events": ("eventMode=true",),
    "gateway": ("gateway.enabled=true", "ingress.enabled=false", "networkPolicy.callers={gateway}"),
    "monitoring": ("monitoring.enabled=true", "eventMode=true"),
    "elsewhere": (
        "redis.external=true",
        "secret.keys={SECRET_KEY,DATABASE_URL,REDIS_URL}",
        "networkPolicy.egressPorts={9092,5432,6379}",
        "counters={clicks,installs}",
        "settings.REDIS_SSL_CA=/run/secrets/tally/ca.pem",
    ),
    "scaled": (
        "eventMode=true",
        "consolidate.autoscaling.enabled=true",
        "consolidate.autoscaling.prometheus=http://prometheus.monitoring:9090",
    ),
    "plain": ("networkPolicy.enabled=false", "web.autoscaling.enabled=false", "ingress.enabled=false"),
}
"""Of the tests: a name -> what is set beside what must be"""


def helm(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What it says, and how it ends."""
    command = [program("helm", "helm", str(BIN)), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@cache
def rendered(name: str) -> list[dict[str, Any]]:
    """Every resource with these of VALUES."""
    options = [option for value in VALUES[name] for option in ("--set", value)]
    done = helm("template", RELEASE, CHART, *NEEDED, *options)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def component(resource: Mapping[str, Any]) -> str:
    """The part of Tally that a resource is for."""
    return str(resource["metadata"]["labels"]["app.kubernetes.io/component"])


def pods(name: str) -> dict[str, Any]:
    """The pods' specifications, by their component."""
    return {
        component(resource): resource["spec"]["template"]["spec"]
        for resource in rendered(name)
        if "template" in resource.get("spec", {})
    }


def selected(selector: Mapping[str, Any] | None) -> Iterator[str]:
    """The components that a selector asks for."""
    selector = selector or {}
    for labels in (selector, selector.get("matchLabels", {})):
        if found := labels.get("app.kubernetes.io/component"):
            yield found
    for expression in selector.get("matchExpressions", []):
        yield from expression["values"]


def told(pod: Mapping[str, Any]) -> dict[str, str]:
    """The settings of a pod's program."""
    [container] = pod["containers"]
    return {each["name"]: each.get("value", "") for each in container["env"]}
