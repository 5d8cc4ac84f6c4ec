"""`ops/redis/users.acl` on a Valkey: every role can do its work, and nothing else."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import redis
from redis.exceptions import NoPermissionError

from counter import keys
from counter.accepting import PATH
from counter.store import CountStore
from embedded.ports import free_port
from embedded.valkey import Valkey
from tests.acl import users
from tests.processes import BIN, Process, ServerProcess, run, wait_until
from tests.web import manage, serving

PASSWORD = "not-to-be-seen"
ROLES = ("web", "worker", "beat", "exporter", "admin")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a Valkey with the list, and nobody let in without a password."""
    home = tmp_path_factory.mktemp("acl")
    (home / "users.acl").write_text(users(PASSWORD))
    valkey = Valkey(home, free_port(), {"aclfile": str(home / "users.acl")})
    # It answers; that it asks for a password is an answer, too.
    valkey.is_ready = lambda: answers(valkey.port)  # type: ignore[method-assign]
    with run(ServerProcess(valkey)):
        yield valkey.port


def url(port: int, role: str) -> str:
    return f"redis://tally-{role}:{PASSWORD}@127.0.0.1:{port}/0"


def answers(port: int) -> bool:
    try:
        return bool(redis.Redis.from_url(url(port, "admin"), retry=None).ping())
    except redis.RedisError:
        return False


def refused(client: redis.Redis) -> list[tuple[str, str, str]]:
    """Who was refused what, as Valkey has logged it."""
    return [(entry["username"], entry["object"], entry["context"]) for entry in client.acl_log()]


def test_every_role_can_do_its_work(port: int, kafka: None, tmp_path: Path) -> None:
    celery = [str(BIN / "celery"), "-A", "project"]
    env = {role: {"REDIS_URL": url(port, role), "CALLBACK_ALLOWED_HOSTS": "127.0.0.1"} for role in ROLES}
    manage("migrate", "--verbosity=0")
    with ExitStack() as stack:
        client = stack.enter_context(redis.Redis.from_url(env["admin"]["REDIS_URL"]))
        worker = Process([*celery, "worker", "--concurrency", "1"], tmp_path / "worker", env["worker"])
        beat = Process([*celery, "beat", "--pidfile="], tmp_path / "beat", env["beat"])
        for process in (worker, beat):
            stack.enter_context(run(process))
        web = stack.enter_context(serving("asgi", 1, **env["web"]))
        wait_until(lambda: client.exists(keys.BEAT), "a beat leads")
        wait_until(lambda: client.llen("tally.flush") == 0, "the worker takes what beat sends")
        query = {"id": "42", "endpoint": "http://127.0.0.1:9/"}
        answer = httpx.get(f"{web}{PATH}", params=query)
        assert (refused(client), answer.text) == ([], "ok")
        assert httpx.post(f"{web}/api/v1/accept/", json={"ids": [43, 44]}).is_success
        store = CountStore(client)
        store.begin_at(store.pending()[0])
        last = store.pending()[-1]
        store.seal(last)
        wait_until(lambda: last not in store.pending() or refused(client), "the next tick publishes it", 120)
        assert manage("pending", "--json", **env["exporter"])
        assert httpx.get(f"{web}/metrics").is_success
        assert refused(client) == [], "no role needs more than it may"


@pytest.mark.parametrize(
    ("role", "command"),
    [
        ("web", "SET tally:first 202601010000"),
        ("web", "SET tally:settled 202601010000"),
        ("web", "SET tally:halted no"),
        ("web", "DEL tally:ids:202601010000"),
        ("web", "DEL 202601010000_1"),
        ("web", "ZREM tally:pending 202601010000"),
        ("web", "FLUSHALL"),
        ("web", "CONFIG SET appendonly no"),
        ("worker", "FLUSHALL"),
        ("worker", "CONFIG GET *"),
        ("worker", "KEYS *"),
        ("worker", "SET redbeat:x 1"),
        ("beat", "SET 202601010000_1 1"),
        ("beat", "GET tally:sealed"),
        ("beat", "FLUSHALL"),
        ("exporter", "SET 202601010000_1 1"),
        ("exporter", "DEL tally:pending"),
        ("exporter", "LPUSH tally.flush x"),
    ],
)
def test_what_is_not_a_roles_work_is_refused(port: int, role: str, command: str) -> None:
    with redis.Redis.from_url(url(port, role)) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command.split())  # type: ignore[no-untyped-call]


def test_nobody_is_let_in_without_a_password(port: int) -> None:
    with redis.Redis(port=port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
