"""Celery's clock is Redis's, as long as Redis was ever asked."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from embedded.ports import free_port
from embedded.valkey import Valkey
from project import clock
from project.clock import RedisClock
from tests.support.clocks import skewed
from tests.support.processes import ServerProcess, run

SOON = timedelta(minutes=1)


def test_it_is_redis_clock_also_while_redis_is_away(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "FRESH_SECONDS", 0)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    valkey = Valkey(tmp_path / "valkey", free_port())
    settings.REDIS_URL = valkey.url
    redis_clock = RedisClock()
    with run(ServerProcess(valkey, skewed("+1d"))):
        assert tomorrow <= redis_clock.now() <= tomorrow + SOON
    assert tomorrow <= redis_clock.now() <= tomorrow + SOON


def test_it_is_the_hosts_own_while_redis_has_never_answered(settings: Settings) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    begin = datetime.now(UTC)
    assert begin <= RedisClock().now() <= begin + SOON
