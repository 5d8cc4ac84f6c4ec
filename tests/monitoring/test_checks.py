"""Wrong settings are told when a process starts."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import redis
from django.core.checks import run_checks
from pytest_django import Settings

from embedded.ports import free_port
from tests.support.directives import configured
from tests.support.processes import HOME, ROOT, run, wait_until
from tests.support.programs import tally
from tests.support.tally.web import WEB, manage, serving, web


def found(**options: list[str]) -> set[str]:
    return {check.id for check in run_checks(**options) if (check.id or "").startswith("tally.")}  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("name", "value", "id"),
    [
        ("REDIS_URL", "localhost:6379", "tally.E001"),
        ("REDIS_URL", "http://localhost", "tally.E001"),
        ("REDIS_URL", "redis://tally:a/b@localhost", "tally.E001"),
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost", "tally.E002"),
        ("KAFKA_BOOTSTRAP_SERVERS", "", "tally.E002"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092,b", "tally.E002"),
        ("ACCEPT_SINK", "kafak", "tally.E003"),
        ("REDIS_BUCKETS", 0, "tally.E004"),
        ("REDIS_BUCKETS", 257, "tally.E004"),
        ("REDIS_URL", "redis+cluster://a:6379,b:6379", "tally.E004"),
        ("CELERY_BROKER_URL", "redis+cluster://a:6379,b:6379", "tally.E006"),
        ("CELERY_BROKER_URL", "redis://tally:a/b@localhost", "tally.E006"),
        ("ACCEPT_REPLICAS", -1, "tally.E005"),
        ("ID_COUNTS_RETENTION_DAYS", -1, "tally.E008"),
        ("KAFKA_TOPIC_PREFIX", "staging/", "tally.E007"),
        ("KAFKA_TOPIC_PREFIX", "täglich-", "tally.E007"),
        ("KAFKA_TOPIC_PREFIX", "staging-\n", "tally.E007"),
        ("KAFKA_TOPIC_PREFIX", "a" * 201, "tally.E007"),
        ("COUNTERS", ("clicks", "in stalls"), "tally.E013"),
        ("COUNTERS", ("clicks", "clicks"), "tally.E013"),
        ("COUNTERS", ("202611230801",), "tally.E013"),
        ("COUNTERS", ("a:b",), "tally.E013"),
        ("COUNTERS", ("klicks\n",), "tally.E013"),
        ("COUNTERS", ("a" * 64,), "tally.E013"),
        ("COUNTERS", tuple(f"a{n}" for n in range(101)), "tally.E013"),
    ],
)
def test_a_wrong_setting_is_found(settings: Settings, name: str, value: object, id: str) -> None:
    assert found() == set()
    setattr(settings, name, value)
    assert found() == {id}


SASL = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "tally",
    "KAFKA_SASL_PASSWORD": "secret",
}


@pytest.mark.parametrize(
    ("wrong", "id"),
    [
        ({"REDIS_SSL_CA": __file__}, "tally.E021"),
        ({"REDIS_URL": "rediss://a", "REDIS_SSL_CA": "/nowhere"}, "tally.E021"),
        ({"REDIS_URL": "rediss://a", "REDIS_SSL_CERT": __file__}, "tally.E021"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "tally.E022"),
        ({"KAFKA_SSL_CA": __file__}, "tally.E022"),
        ({"KAFKA_SASL_PASSWORD": "secret"}, "tally.E022"),
        (SASL | {"KAFKA_SASL_PASSWORD": ""}, "tally.E022"),
        (SASL | {"KAFKA_SASL_MECHANISM": "SCRAM"}, "tally.E022"),
        (SASL | {"KAFKA_SSL_KEY": __file__}, "tally.E022"),
    ],
)
def test_what_would_not_protect_is_found(settings: Settings, wrong: dict[str, str], id: str) -> None:
    for name, value in wrong.items():
        setattr(settings, name, value)
    assert found() == {id}


@pytest.mark.parametrize(
    "right", [SASL, {"REDIS_URL": "rediss://a", "REDIS_SSL_CERT": __file__, "REDIS_SSL_KEY": __file__}]
)
def test_what_protects_is_right(settings: Settings, right: dict[str, str]) -> None:
    for name, value in right.items():
        setattr(settings, name, value)
    assert found() == set()


@pytest.mark.parametrize("key", ["", "short", "x" * 60])
def test_a_secret_key_that_can_be_guessed_is_found(settings: Settings, key: str) -> None:
    settings.SECRET_KEY = key
    assert found() == {"tally.E031"}


@pytest.mark.parametrize(
    ("key", "ids"),
    [
        ("whsec_" + "QUJD" * 8, set()),
        ("whsec_" + "QUJD" * 7, {"tally.E033"}),
        ("whsec_" + "!" * 40, {"tally.E033"}),
        ("QUJD" * 8, {"tally.E033"}),
    ],
)
def test_a_key_that_signs_nothing_is_found(settings: Settings, key: str, ids: set[str]) -> None:
    settings.CALLBACK_SIGNING_KEY = key
    assert found() == ids


@pytest.mark.parametrize("name", ["secret_key", "tally.sqlite3"])
@pytest.mark.parametrize(("mode", "ids"), [(0o600, set()), (0o604, {"tally.E032"}), (0o640, {"tally.E032"})])
def test_a_secret_that_others_may_read_is_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, mode: int, ids: set[str]
) -> None:
    settings.TALLY_HOME = tmp_path
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", str(tmp_path / "tally.sqlite3"))
    file = tmp_path / name
    file.touch()
    file.chmod(mode)
    assert found() == ids


@pytest.mark.parametrize("program", ["web", "worker", "callbacks", "beat"])
def test_no_program_starts_without_a_good_secret_key(program: str, tmp_path: Path) -> None:
    started = tally(program, log=tmp_path / "log", env={"SECRET_KEY": "short", "PORT": str(free_port())})
    with run(started):
        wait_until(lambda: not started.is_running(), f"{program} gives up")
    assert "tally.E031" in started.output


def test_a_password_in_a_wrong_url_is_not_shown(settings: Settings) -> None:
    settings.REDIS_URL = "redi://tally:secret@host"
    assert "secret" not in " ".join(map(str, run_checks()))


def test_production_behind_tls_has_nothing_to_complain_about() -> None:
    env = {"SECRET_KEY": secrets.token_urlsafe(50), "BEHIND_TLS": "true"}
    assert "no issues" in manage("check", "--deploy", "--fail-level", "WARNING", **env)


def test_nobody_is_believed_to_come_over_tls_by_his_word() -> None:
    with serving() as url:
        answer = httpx.get(f"{url}/admin/login/", headers={"X-Forwarded-Proto": "https"})
        assert "Strict-Transport-Security" not in answer.headers
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    with serving("web", 1, BEHIND_TLS="true") as url:
        assert httpx.get(f"{url}/admin/login/").headers["Location"].startswith("https://")
        answer = httpx.get(f"{url}/admin/login/", headers={"X-Forwarded-Proto": "https"})
        assert "Secure" in answer.headers["Set-Cookie"]
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_every_wrong_setting_comes_with_a_hint(settings: Settings) -> None:
    settings.REDIS_URL = settings.KAFKA_BOOTSTRAP_SERVERS = settings.ACCEPT_SINK = "?"
    wrong = [check for check in run_checks() if (check.id or "").startswith("tally.")]
    assert len(wrong) == 3
    assert all(check.hint for check in wrong)


@pytest.mark.parametrize(("directive", "value"), [("maxmemory-policy", "allkeys-lru"), ("appendonly", "no")])
@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_a_redis_that_would_lose_counts_is_found(valkey: redis.Redis, directive: str, value: str) -> None:
    assert found(databases=["default"]) == set()
    with configured(valkey, directive, value):
        assert found(databases=["default"]) == {"tally.W001"}


def test_manage_py_refuses_to_start() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        cwd=ROOT,
        env=os.environ | {"ACCEPT_SINK": "kafak"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "(tally.E003) ACCEPT_SINK is 'kafak'." in done.stderr


def test_the_web_server_refuses_to_start() -> None:
    server = web(WEB, free_port(), HOME / "wrong.log", {"REDIS_URL": "localhost"})
    with run(server):
        assert server.wait() == 1
    assert "tally.E001" in server.output


def test_the_worker_refuses_to_start() -> None:
    worker = tally("worker", log=HOME / "wrong-worker.log", env={"KAFKA_BOOTSTRAP_SERVERS": "localhost"})
    with run(worker):
        wait_until(lambda: not worker.is_running(), "the worker gives up")
    assert "tally.E002" in worker.output
