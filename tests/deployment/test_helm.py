"""The chart: its resources are what Kubernetes knows, and fit together, with each set of values."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from counter.version import VERSION
from embedded.system import EVENT_PROGRAMS, PROGRAMS
from tests.support.chart import CHART, NEEDED, VALUES, component, helm, pods, rendered, selected, told
from tests.support.needs import program
from tests.support.processes import ROOT

OF_OTHERS = {"PrometheusRule", "PodMonitor", "HTTPRoute", "ScaledObject"}
"""Kinds that Kubernetes itself does not know."""

OWN = {*PROGRAMS, "setup"}


@pytest.fixture(scope="module", params=VALUES)
def resources(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return rendered(request.param)


def test_it_is_without_reproach() -> None:
    done = helm("lint", "--strict", CHART, *NEEDED)
    assert done.returncode == 0, done.stdout


def test_it_is_of_the_same_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


def test_resources_are_what_kubernetes_knows(resources: list[dict[str, Any]]) -> None:
    import kubernetes_validate  # noqa: PLC0415  (takes seconds, in each process that collects tests)

    for resource in resources:
        if resource["kind"] not in OF_OTHERS:
            kubernetes_validate.validate(resource, "1.34", strict=True)


def test_the_route_is_what_the_gateway_api_knows() -> None:
    go = program("go", "golang-go")
    command = [go, "mod", "download", "-json", "sigs.k8s.io/gateway-api@v1.4.0"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    folder = Path(json.loads(told)["Dir"]) / "config" / "crd" / "standard"
    definition = yaml.safe_load((folder / "gateway.networking.k8s.io_httproutes.yaml").read_text())
    [version] = [each for each in definition["spec"]["versions"] if each["name"] == "v1"]
    [route] = [each for each in rendered("gateway") if each["kind"] == "HTTPRoute"]
    jsonschema_rs.validate(closed(version["schema"]["openAPIV3Schema"]), route)
    assert "Ingress" not in {each["kind"] for each in rendered("gateway")}
    services = {
        (each["metadata"]["name"], port["port"])
        for each in rendered("gateway")
        if each["kind"] == "Service"
        for port in each["spec"]["ports"]
    }
    for rule in route["spec"]["rules"]:
        assert {(to["name"], to["port"]) for to in rule["backendRefs"]} <= services


def closed(schema: Any) -> Any:
    """The same, and nothing that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    return inner | {"additionalProperties": False} if isinstance(inner.get("properties"), dict) else inner


def test_the_same_alerts_are_there_and_every_pod_that_tells_is_read() -> None:
    [rules] = [each for each in rendered("monitoring") if each["kind"] == "PrometheusRule"]
    assert rules["spec"] == yaml.safe_load((ROOT / "ops/prometheus/tally.rules.yml").read_text())
    [monitor] = [each for each in rendered("monitoring") if each["kind"] == "PodMonitor"]
    ports = {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]}
    tell = {
        name
        for name, pod in pods("monitoring").items()
        for container in pod["containers"]
        if ports & {port["name"] for port in container.get("ports", [])}
    }
    assert set(selected(monitor["spec"]["selector"])) == tell - {"valkey"}


def test_no_secret_is_among_them(resources: list[dict[str, Any]]) -> None:
    assert "Secret" not in {resource["kind"] for resource in resources}


def test_pods_are_restricted() -> None:
    for name, pod in pods("events").items():
        assert pod["serviceAccountName"] == "tally", name
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert set(container["resources"]) == {"requests", "limits"}, name


def test_what_is_selected_is_there(resources: list[dict[str, Any]]) -> None:
    there = {component(each) for each in resources if "template" in each.get("spec", {})}
    accounts = {each["metadata"]["name"] for each in resources if each["kind"] == "ServiceAccount"}
    for resource in resources:
        if resource["kind"] in OF_OTHERS:
            continue
        spec = resource.get("spec", {})
        if "template" in spec:
            assert spec["template"]["spec"]["serviceAccountName"] in accounts
        for selector in (spec.get("selector"), spec.get("podSelector")):
            assert set(selected(selector)) <= there
        for rule in ingress_and_egress(spec):
            for peer in rule.get("from", []) + rule.get("to", []):
                assert set(selected(peer.get("podSelector"))) <= there


def ingress_and_egress(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule for way in ("ingress", "egress") for rule in spec.get(way, [])]


def test_a_change_is_that_of_a_revision() -> None:
    """A job can't be changed. In an upgrade it comes before the programs."""
    [job] = [each for each in rendered("default") if each["kind"] == "Job"]
    assert job["metadata"]["name"] == "tally-setup-1"
    assert "annotations" not in job["metadata"]
    done = helm("template", "tally", CHART, *NEEDED, "--is-upgrade")
    [upgrading] = [each for each in yaml.safe_load_all(done.stdout) if each and each["kind"] == "Job"]
    assert upgrading["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
    assert upgrading["spec"] == job["spec"]


def test_consolidators_are_let_through_to_what_they_need() -> None:
    policies = [each["spec"] for each in rendered("events") if each["kind"] == "NetworkPolicy"]

    def ports(name: str, direction: str) -> set[object]:
        of_name = [each for each in policies if name in selected(each["podSelector"])]
        return {
            port["port"] for each in of_name for rule in each.get(direction, []) for port in rule["ports"]
        }

    assert {6379, 9092} <= ports("consolidate", "egress")
    assert 9464 in ports("consolidate", "ingress")
    callers = [
        name
        for each in policies
        if "valkey" in selected(each["podSelector"])
        for rule in each["ingress"]
        for peer in rule["from"]
        for name in selected(peer["podSelector"])
    ]
    assert set(callers) == OWN | set(EVENT_PROGRAMS)


def test_a_redis_of_ones_own_takes_the_place_of_valkey() -> None:
    assert "valkey" not in pods("elsewhere")
    for pod in pods("elsewhere").values():
        settings = told(pod)
        assert "REDIS_URL" not in settings
        assert settings["REDIS_URL_FILE"] == "/run/secrets/tally/REDIS_URL"
        assert settings["COUNTERS"] == "clicks,installs"
        assert settings["REDIS_SSL_CA"] == "/run/secrets/tally/ca.pem"
    [policy] = [each for each in rendered("elsewhere") if each["metadata"]["name"] == "tally-to-servers"]
    assert set(selected(policy["spec"]["podSelector"])) == OWN


def test_what_scales_has_no_number_of_its_own() -> None:
    of: dict[tuple[str, str], Any] = {
        (each["kind"], each["metadata"]["name"]): each.get("spec") for each in rendered("scaled")
    }
    assert "replicas" not in of["Deployment", "tally-web"]
    assert "replicas" not in of["Deployment", "tally-consolidate"]
    assert of["HorizontalPodAutoscaler", "tally-web"]["scaleTargetRef"]["name"] == "tally-web"
    scaled = of["ScaledObject", "tally-consolidate"]
    assert scaled["scaleTargetRef"]["name"] == "tally-consolidate"
    [trigger] = scaled["triggers"]
    [metric] = re.findall(r"tally_[a-z_]+", trigger["metadata"]["query"])
    assert metric in (ROOT / "ops/prometheus/tally.rules.yml").read_text()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("kafka.bootstrapServers=", "name your Kafka"),
        ("eventMod=true", "eventMod"),
        ("settings.REDIS_URLL=redis://a", "REDIS_URLL"),
        ("redis.url=http://a", "redis.url"),
        ("counters={a b}", "counters.0"),
        ("buckets=0", "buckets"),
        ("secret.keys={SECRET_KEY}", "secret.keys"),
        ("web.autoscaling.cpu=200", "web.autoscaling.cpu"),
        ("hosts={}", "hosts"),
    ],
)
def test_a_wrong_value_is_refused_by_name(value: str, reason: str) -> None:
    done = helm("template", "tally", CHART, *NEEDED, "--set", value)
    assert done.returncode != 0
    assert reason in done.stderr


def test_its_settings_are_all_that_there_are() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    of_a_pod = {"ENV_FILE", "PORT", "BIND_HOST", "REDIS_PORT", "KAFKA_PORT", "TALLY_HOME"}
    of_a_pod |= {"PROMETHEUS_MULTIPROC_DIR", "METRICS_PORT"}
    assert set(schema["properties"]["settings"]["propertyNames"]["enum"]) == known - of_a_pod
    assert set(schema["properties"]["secret"]["properties"]["keys"]["items"]["enum"]) <= known
