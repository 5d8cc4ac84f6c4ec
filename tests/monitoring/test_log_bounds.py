"""A line of a log has a bound, and what one caller can have logged in a second has one, too."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from project.telemetry.log_bounds import (
    CUT,
    LINES_OF_REQUESTS,
    LINES_PER_SECOND,
    MAX_LINE,
    cut_json,
    cut_text,
)
from tests.support.processes import HOME, ServerProcess, run_python, wait_until
from tests.support.tally.web import metric, serving

LOGGERS = 3
"""That write at a request: Django's, django-structlog's and Tally's own."""


@pytest.fixture(scope="module")
def web(valkey_process: ServerProcess) -> Iterator[tuple[str, Path]]:
    with serving("asgi", log="bounds.log") as url:
        yield url, HOME / "bounds.log"


WORDS = """
import logging, django
django.setup()
logger = logging.getLogger("a")
logger.error("x" * 1_000_000)
logger.error("\\x00\\u20ac" * 100_000, extra={"more": ["y" * 100_000] * 9})
try:
    raise ValueError("z" * 1_000_000)
except ValueError:
    logger.exception("the end")
"""


@pytest.mark.parametrize("format", ["json", "console"])
def test_no_line_is_longer_than_its_bound(format: str) -> None:
    said = run_python(WORDS, LOG_FORMAT=format).stderr
    assert "the end" in said
    lines = said.splitlines()
    if format == "json":
        assert {line["level"] for line in map(json.loads, lines)} == {"error"}
    assert 3 * MAX_LINE // 4 < len(said) <= 3 * (MAX_LINE + 1)


def test_a_secret_is_taken_out_before_a_line_is_cut() -> None:
    key = "0123456789" * 8
    code = "import logging, django; django.setup(); logging.getLogger('a').error(('{}' * 1000))"
    said = run_python(code.replace("{}", key), SECRET_KEY=key).stderr
    assert key[:10] not in said
    assert "***" in said


def test_what_is_cut_is_still_json() -> None:
    line = json.dumps({"event": "e" * MAX_LINE, "level": "error", "many": ["\0" * MAX_LINE] * 2})
    cut = cut_json(line)
    assert len(cut) <= MAX_LINE
    assert json.loads(cut)["level"] == "error"


def test_what_is_cut_shows_how_it_begins_and_ends() -> None:
    assert cut_text("short") == "short"
    cut = cut_text(f"begin{'x' * MAX_LINE}end")
    assert len(cut) <= MAX_LINE
    assert (cut[:5], cut[-3:], CUT in cut) == ("begin", "end", True)


LOOP = f"""
import logging, time, django
django.setup()
begin = time.monotonic()
for number in range(3 * {LINES_PER_SECOND}):
    logging.getLogger("a").warning("again")
assert time.monotonic() - begin < 1, "the machine is too slow for this test"
logging.getLogger("b").warning("of another")
time.sleep(begin + 1.01 - time.monotonic())
logging.getLogger("a").warning("later")
"""


def test_a_logger_has_so_many_lines_a_second_and_tells_what_it_left_out() -> None:
    lines = [json.loads(line) for line in run_python(LOOP).stderr.splitlines()]
    assert [line["event"] for line in lines] == ["again"] * LINES_PER_SECOND + ["of another", "later"]
    assert lines[-1]["left_out"] == 2 * LINES_PER_SECOND


@pytest.mark.parametrize(("path", "host"), [("/nowhere", "localhost"), ("/healthz", "another.example")])
def test_one_caller_cannot_fill_the_log(web: tuple[str, Path], path: str, host: str) -> None:
    url, log = web
    size, begin = log.stat().st_size, time.monotonic()
    left_out = metric(url, "tally_log_lines_left_out_total")

    def call(number: int) -> int:
        with httpx.Client(base_url=url, headers={"Host": host}) as client:
            return max(client.get(path + "?" + "x" * 1000).status_code for _ in range(50))

    def flood() -> bool:
        with ThreadPoolExecutor(8) as callers:
            assert set(callers.map(call, range(8))) <= {400, 404}
        return metric(url, "tally_log_lines_left_out_total") > left_out

    wait_until(flood, "lines are left out")
    seconds = time.monotonic() - begin
    written = log.read_bytes()[size:]
    assert max(map(len, written.splitlines())) <= MAX_LINE
    assert written.count(b"\n") <= LOGGERS * LINES_OF_REQUESTS * (seconds + 2)
