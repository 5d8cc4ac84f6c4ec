"""The recipes for readers: killed and started again, each has every record once, and its hours are exact."""

import json
import re
import subprocess
import venv
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from counter.store.counts import CountStore
from tasks.publishing.flush import Flush
from tests.support.processes import HOME, ROOT, Process, run, wait_until
from tests.support.reading import DAY, HOUR, recount
from tests.support.tally.flushing import accept, next_minute

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
IDS = 20_000
ASK = {
    "duckdb": "import duckdb; rows = duckdb.connect(file).execute(text).fetchall()",
    "clickhouse": (
        "from chdb import session; answer = str(session.Session(file).query(text, 'JSONCompact'));"
        " rows = json.loads(answer)['data']"
    ),
}
"""engine -> how its rows are asked for, in its own Python"""


class Recipe:
    """One of docs/recipes, in a Python that has what it says."""

    def __init__(self, engine: str, file: Path) -> None:
        self._folder = ROOT / "docs" / "recipes" / engine
        self._ask = ASK[engine]
        self._file = str(file)
        home = HOME / engine
        venv.create(home, with_pip=True)
        self._python = str(home / "bin" / "python")
        install = ("-m", "pip", "install", "--quiet", "--requirement", self._folder / "requirements.txt")
        subprocess.run([self._python, *install], check=True)

    def keep(self, brokers: str) -> list[str]:
        """The command that reads the records."""
        return [self._python, str(self._folder / "keep.py"), brokers, self._file]

    def ask(self, query: str) -> list[list[Any]]:
        """The rows that a query finds, with numbers as numbers."""
        code = (
            f"import json, sys; file, text = sys.argv[1:]; {self._ask}; print(json.dumps(rows, default=str))"
        )
        text = (self._folder / query).read_text()
        return list(
            json.loads(subprocess.check_output([self._python, "-c", code, self._file, text], text=True))
        )

    def show(self, query: str) -> str:
        """What a reader of the recipe sees."""
        command = [self._python, str(self._folder / "ask.py"), self._file, str(self._folder / query)]
        return subprocess.check_output(command, text=True)


@pytest.fixture(params=ASK)
def recipe(request: pytest.FixtureRequest, tmp_path: Path) -> Recipe:
    return Recipe(request.param, tmp_path / "counts")


def test_it_is_killed_and_has_every_record_once(
    recipe: Recipe, store: CountStore, kafka: None, settings: Settings, tmp_path: Path
) -> None:
    for shift in range(3):
        accept(store, *range(shift, IDS + shift), 7)
        next_minute(store)
    Flush(store.client).run()
    command = recipe.keep(settings.KAFKA_BOOTSTRAP_SERVERS)
    keep = Process(command, tmp_path / "log")
    with run(keep):
        wait_until(lambda: "kept" in keep.output, f"it has kept something, see {keep.log}")
    assert sum(map(int, re.findall(r"kept (\d+)", keep.output))) < 3 * IDS, "it had not read all of them"
    # Longer than one that was killed stays a member of its group.
    subprocess.run([*command, "--idle", "15"], check=True, capture_output=True)
    for query, length in (("hours.sql", HOUR), ("days.sql", DAY)):
        told = [(str(begin)[:length], int(ids), int(calls)) for begin, _, ids, calls in recipe.ask(query)]
        assert told == recount(length)
    _, id, calls = recipe.ask("top.sql")[0]
    assert (id, int(calls)) == ("7", 6)
    assert str(told[0][1]) in recipe.show("days.sql").replace(",", "")
