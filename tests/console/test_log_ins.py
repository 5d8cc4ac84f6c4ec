"""Log-ins: guessing stops, and hashing does not hold up calls."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import quantiles

import httpx
import pytest
from django.http import HttpRequest
from pytest_django import Settings

from console.accounts.log_ins import client
from counter.accepting.accept_call import PATH
from tests.support.processes import ServerProcess, wait_until
from tests.support.tally.web import manage, serving

LOGIN = "/admin/login/"


@pytest.fixture
def url(valkey_process: ServerProcess, token: str) -> Iterator[str]:
    with serving(log="log-ins.log") as url:
        yield url
    manage("axes_reset")


def log_in(url: str, password: str, name: str = "ada") -> httpx.Response:
    with httpx.Client(base_url=url, timeout=60) as browser:
        [secret] = set(re.findall(r'csrfmiddlewaretoken" value="(\w+)"', browser.get(LOGIN).text))
        form = {"username": name, "password": password, "csrfmiddlewaretoken": secret, "next": "/admin/"}
        return browser.post(LOGIN, data=form)


def test_guessing_stops_and_calls_go_on_meanwhile(url: str) -> None:
    """From one client, whatever names it tries; then even the right password is not looked at."""
    assert log_in(url, "lovelace").status_code == 302
    with ThreadPoolExecutor(12) as guessers:
        guesses = [guessers.submit(log_in, url, f"guess-{number}", f"name-{number}") for number in range(24)]
        with httpx.Client(base_url=url) as caller:
            seconds = [caller.get(PATH, params={"id": 1}).elapsed.total_seconds() for _ in range(200)]
        statuses = {guess.result().status_code for guess in guesses}
    assert statuses <= {200, 429, 503}
    wait_until(lambda: log_in(url, "guess").status_code == 429, "one guess too many")
    assert log_in(url, "lovelace").status_code == 429
    assert quantiles(seconds, n=10)[-1] < 0.5


@pytest.mark.parametrize(
    ("behind", "forwarded", "address", "who"),
    [
        (False, "198.51.100.1", "203.0.113.9", "203.0.113.9"),
        (True, "6.6.6.6, 198.51.100.1", "10.0.0.1", "198.51.100.1"),
        (True, "", "10.0.0.1", "10.0.0.1"),
        (True, "2001:db8:1:2:3:4:5:6", "10.0.0.1", "2001:db8:1:2::"),
        (True, "nonsense", "10.0.0.1", "0.0.0.0"),
    ],
)
def test_a_client_is_an_address_that_it_cannot_make_up(
    settings: Settings, behind: bool, forwarded: str, address: str, who: str
) -> None:
    settings.BEHIND_TLS = behind
    request = HttpRequest()
    request.META = {"HTTP_X_FORWARDED_FOR": forwarded, "REMOTE_ADDR": address}
    assert client(request) == who
