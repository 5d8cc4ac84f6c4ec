"""People reach the console through nginx, over TLS and on any port."""

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.access.certificates import Authority
from tests.support.processes import ServerProcess, run, wait_until
from tests.support.servers.nginx import Nginx
from tests.support.tally.web import manage, serving

LOGIN = "/admin/login/"


@pytest.fixture
def browser(tmp_path: Path, valkey_process: ServerProcess) -> Iterator[httpx.Client]:
    """It goes to an nginx that is alone with one web server."""
    authority = Authority(tmp_path / "tls")
    with serving("web", 1, BEHIND_TLS="true") as url:
        port = urlsplit(url).port or 0
        nginx = Nginx(tmp_path / "nginx", {"web-1": port, "web-2": port}, authority.sign("tally"))
        trust = ssl.create_default_context(cafile=authority.ca.certificate)
        with run(nginx), httpx.Client(base_url=nginx.url, verify=trust) as client:
            wait_until(lambda: answers(client), "nginx answers")
            yield client


def answers(client: httpx.Client) -> bool:
    try:
        return client.get(LOGIN).is_success
    except httpx.HTTPError:
        return False


def test_one_can_log_in(token: str, browser: httpx.Client) -> None:
    manage("axes_reset")  # others may have failed to, in this database
    form = browser.get(LOGIN).text
    [secret] = set(re.findall(r'csrfmiddlewaretoken" value="(\w+)"', form))
    answer = browser.post(
        LOGIN,
        data={"username": "ada", "password": "lovelace", "csrfmiddlewaretoken": secret, "next": "/admin/"},
        headers={"Origin": str(browser.base_url).rstrip("/")},
    )
    assert (answer.status_code, answer.headers.get("Location")) == (302, "/admin/")
