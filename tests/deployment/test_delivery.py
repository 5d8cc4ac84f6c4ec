"""What is delivered beside the code: each file valid by its schema, linted, at one with the others."""

import json
import re
import secrets
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from counter.version import VERSION
from embedded import jars
from embedded.system import EVENT_PROGRAMS
from embedded.system import PROGRAMS as OWN_PROGRAMS
from embedded.valkey import DIRECTIVES
from tally.command import PROGRAMS
from tests.support.chart import pods, told
from tests.support.needs import program
from tests.support.processes import BIN, ROOT

PINNED = re.compile(r".+:v?\d+\.\d+(\.\d+)?(-[\w.]+)*")
OWN = (*OWN_PROGRAMS, "setup")

Mapping = dict[str, Any]


def read(path: str) -> str:
    return (ROOT / path).read_text()


COMPOSE: Mapping = yaml.safe_load(read("docker-compose.yml"))
SERVICES: Mapping = COMPOSE["services"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """What it writes; it must end well."""
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# By schema and by lint


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("check-jsonschema", "--builtin-schema vendor.compose-spec docker-compose.yml"),
        ("check-jsonschema", "--builtin-schema vendor.github-workflows .github/workflows/*.yml"),
        ("check-jsonschema", "--builtin-schema vendor.dependabot .github/dependabot.yml"),
        ("check-jsonschema", "--builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[bf]*.yml"),
        ("hadolint", "--failure-threshold style Dockerfile"),
        ("yamllint", "--strict ."),
        ("zizmor", "--offline --no-progress --config .github/zizmor.yml .github"),
    ],
    ids=["compose", "workflows", "dependabot", "issue forms", "Dockerfile", "yaml", "workflows' security"],
)
def test_is_valid(tool: str, arguments: str) -> None:
    words: list[str | Path] = []
    for part in arguments.split():
        words += sorted(ROOT.glob(part)) if "*" in part else [part]
    run(BIN / tool, *words)


def test_prometheus_would_start_with_its_configuration() -> None:
    run(program("promtool", "prometheus"), "check", "config", "ops/prometheus/prometheus.yml")


def test_shell_scripts_can_be_read() -> None:
    for script in ("bin/tally", "ops/make-secrets", "ops/release-notes"):
        run("sh", "-n", script)


# The image


def test_the_image_gets_what_it_is_made_of_and_nothing_else() -> None:
    allowed = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
    assert allowed == set(copied())


def copied() -> list[str]:
    """What the Dockerfile takes from here."""
    return re.findall(r"^COPY (?!--from)(\S+) ", read("Dockerfile"), re.MULTILINE)


def test_what_the_image_gets_is_enough(tmp_path: Path) -> None:
    for name in copied():
        path = ROOT / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, tmp_path / name)
    env = {
        "PATH": f"{BIN}:/usr/bin:/bin",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
    }
    assert "no issues" in run(tmp_path / "bin" / "tally", "check", env=env)


def test_the_image_does_not_run_as_root() -> None:
    [user] = re.findall(r"^USER (.+)$", read("Dockerfile"), re.MULTILINE)
    assert user == "10001:10001"


def test_images_are_pinned() -> None:
    stages = re.findall(r"^FROM (\S+)", read("Dockerfile"), re.MULTILINE)
    services = [service["image"] for service in SERVICES.values() if "build" not in service]
    deployed = [pod["containers"][0]["image"] for pod in pods("events").values()]
    for image in stages + services + deployed:
        assert PINNED.fullmatch(image), image


# Compose


def test_services_are_contained() -> None:
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] or name == "kafka", name
        assert {"cpus", "mem_limit", "pids_limit", "restart", "networks"} <= set(service), name
        assert service.get("user", "1") != "0", name


def test_whatever_can_be_unwell_is_asked_how_it_is() -> None:
    silent = {name for name, service in SERVICES.items() if "healthcheck" not in service}
    assert silent == {"setup", "beat", "consolidate"}


def test_services_name_only_what_is_there() -> None:
    for service in SERVICES.values():
        secrets = [each if isinstance(each, str) else each["source"] for each in service.get("secrets", [])]
        assert set(secrets) <= set(COMPOSE["secrets"])
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert set(service.get("depends_on", [])) <= set(SERVICES)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_the_secrets_are_made_once(tmp_path: Path) -> None:
    program("openssl", "openssl")
    run("ops/make-secrets", tmp_path)
    made = {f".secrets/{path.name}": path.read_text() for path in (tmp_path / ".secrets").iterdir()}
    assert set(made) == {secret["file"] for secret in COMPOSE["secrets"].values()}
    assert made[".secrets/postgres_password"].strip() in made[".secrets/database_url"]
    assert (tmp_path / ".secrets").stat().st_mode & 0o077 == 0
    run("ops/make-secrets", tmp_path)
    assert made == {name: (tmp_path / name).read_text() for name in made}
    assert "/.secrets/" in read(".gitignore").splitlines()


def test_nginx_knows_the_web_servers() -> None:
    upstream = set(re.findall(r"^\s+server (\S+:\d+) ", read("ops/nginx/tally.conf"), re.MULTILINE))
    assert upstream == {
        f"{name}:8000" for name, service in SERVICES.items() if service.get("command") == "web"
    }


def test_prometheus_asks_whatever_tells() -> None:
    jobs = yaml.safe_load(read("ops/prometheus/prometheus.yml"))["scrape_configs"]
    asked = {target for job in jobs for each in job.get("static_configs", []) for target in each["targets"]}
    named = [each for job in jobs for each in job.get("dns_sd_configs", [])]
    asked |= {f"{name}:{each['port']}" for each in named for name in each["names"]}
    tells = {"web": "8000", "worker": "9464", "callbacks": "9464", "consolidate": "9464"}
    commands = {name: service["command"] for name, service in SERVICES.items() if "build" in service}
    assert asked == {f"{name}:{tells[command]}" for name, command in commands.items() if command in tells}
    assert {job["job_name"] for job in jobs} == set(tells)


def test_grafana_is_shown_where_prometheus_is() -> None:
    [source] = yaml.safe_load(read("ops/grafana/provisioning/datasources/prometheus.yml"))["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert source["isDefault"]
    assert "prometheus" in SERVICES


# All of them say the same


def test_the_kafka_of_compose_is_the_embedded_one() -> None:
    """The robot knows of images: so it tells of a newer Kafka for both."""
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{jars.VERSION}"


def test_the_image_says_the_version() -> None:
    assert re.findall(r"^ARG VERSION=(.+)$", read("Dockerfile"), re.MULTILINE) == [VERSION]


def test_all_run_the_same_programs() -> None:
    launched = {*PROGRAMS, "setup"} - {"run", "demo"}
    assert launched == set(OWN)
    assert composed("") == deployed("default") == launched
    assert composed("events") == deployed("events") - launched == set(EVENT_PROGRAMS)


def composed(profile: str) -> set[str]:
    """The programs of Tally's that Compose starts with this profile alone; with none, always."""
    own = [service for service in SERVICES.values() if "build" in service]
    return {each["command"] for each in own if each.get("profiles", [""]) == [profile]}


def deployed(values: str) -> set[str]:
    """Those that Kubernetes starts."""
    containers = [pod["containers"][0] for pod in pods(values).values()]
    return {each["args"][0] for each in containers if each["image"].split(":")[0].endswith("tally")}


def test_event_mode_is_one_setting_of_all() -> None:
    """Besides the program that it adds."""
    for name, pod in pods("default").items():
        if name != "valkey":
            assert told(pods("events")[name]) == told(pod) | {"ACCEPT_SINK": "kafka"}
    assert {service["environment"]["ACCEPT_SINK"] for service in SERVICES.values() if "build" in service} == {
        "${ACCEPT_SINK:-redis}"
    }


def test_workers_are_asked_by_the_names_that_they_have() -> None:
    names = {word.removesuffix("@%h") for words in PROGRAMS.values() for word in words if "@" in word}
    composed = [
        service["healthcheck"]["test"]
        for name, service in SERVICES.items()
        if name in ("worker", "callbacks")
    ]
    deployed = [
        pod["containers"][0]["livenessProbe"]["exec"]["command"]
        for name, pod in pods("default").items()
        if name in ("worker", "callbacks")
    ]
    assert names == {words[-1] for words in composed} == {words[-1] for words in deployed}


def test_settings_are_ones_that_there_are() -> None:
    known = set(re.findall(r"^#?([A-Z_]+)=", read(".env.example"), re.MULTILINE))
    used = {name for service in SERVICES.values() if "build" in service for name in service["environment"]}
    used |= set(re.findall(r"\$\{(\w+)", read("docker-compose.yml")))
    used |= {name for name, pod in pods("elsewhere").items() if name != "valkey" for name in told(pod)}
    assert {name.removesuffix("_FILE") for name in used} - {"POD_IP"} <= known
    settings = "".join(path.read_text() for path in ROOT.glob("project/settings/*.py"))
    assert set(re.findall(r'env(?:\.\w+)?\(\s*"([A-Z_]+)"', settings)) <= known


def test_valkey_is_set_up_everywhere_as_it_must_be() -> None:
    must = {name: value for name, value in DIRECTIVES.items() if name != "bind"}
    composed = shlex.split(SERVICES["valkey"]["command"])
    deployed = pods("default")["valkey"]["containers"][0]["args"]
    for words in (composed, deployed):
        assert words[0] == "valkey-server"
        given = dict(zip(words[1::2], words[2::2], strict=True))
        assert {name: given.get(f"--{name}") for name in must} == must | {"save": ""}
        assert "--maxmemory" in given


# Releases


def test_workflows_make_what_the_makefile_makes() -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    text = "".join(path.read_text() for path in WORKFLOWS)
    assert set(re.findall(r"(?:\bmake|\.ci/run) ([a-z]+)", text)) <= targets
    [job] = yaml.safe_load(read(".github/workflows/faults.yml"))["jobs"].values()
    assert {words.split()[0] for words in job["strategy"]["matrix"]["target"]} <= targets


def test_workflows_leave_no_credentials_in_the_checkout() -> None:
    for path in WORKFLOWS:
        text = path.read_text()
        assert text.count("persist-credentials: false") == text.count("uses: actions/checkout@"), path


def test_a_release_says_what_the_changelog_says(tmp_path: Path) -> None:
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(
        "# All\n\n## Unreleased\n\n- a\n\n## 1.2.0 - 2026-11-25\n\n### Added\n\n- b\n\n## [1.1.0]\n\n- c\n"
    )
    assert run("ops/release-notes", "1.2.0", changelog) == "### Added\n\n- b\n\n"
    assert run("ops/release-notes", "1.1.0", changelog) == "- c\n"
    assert "exactly once" in run("ops/release-notes", VERSION)


def test_a_version_without_an_entry_is_not_released() -> None:
    done = subprocess.run([ROOT / "ops/release-notes", "99.0.0"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_the_list_of_parts_names_what_is_locked(tmp_path: Path) -> None:
    path = tmp_path / "sbom.json"
    run(
        BIN / "cyclonedx-py",
        "requirements",
        "--output-reproducible",
        "--output-file",
        path,
        "requirements.txt",
    )
    listed = {component["name"] for component in json.loads(path.read_text())["components"]}
    assert listed == set(re.findall(r"^([\w-]+)(?:\[[\w,]+\])?==", read("requirements.txt"), re.MULTILINE))
