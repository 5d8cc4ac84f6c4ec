"""The console in a real browser, over the whole system: web, worker, beat, Valkey, Kafka."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from secrets import token_urlsafe

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from counter.accepting.accept_call import PATH
from counter.minute import Minute
from counter.redis.clients import connect
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState
from embedded.ports import free_port
from tests.support.processes import HOME, Process, ServerProcess, run, wait_until
from tests.support.programs import Program, tally
from tests.support.reset import begin_in_one, new_topics
from tests.support.tally.web import WEB, manage, migrate, web

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
WAIT_MS = 60_000
"""For what should happen within seconds, on a machine that is slow."""

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


LOGIN = (
    "from counter.models import PublishedMinute; PublishedMinute.objects.all().delete();"
    " from django.contrib.auth.models import User;"
    " User.objects.filter(username='admin').delete(); User.objects"
)
"""No minute of another test in the history, and a login of our own."""


@dataclass
class System:
    """What runs, and how to use it."""

    url: str
    password: str
    store: CountStore
    web: Process
    beat: Process

    def accept(self, *ids: int) -> Minute:
        """Count the ids; the minute they are in."""
        for id in ids:
            answer = httpx.get(f"{self.url}{PATH}", params={"id": id})
            assert answer.text == "ok"
        return self.store.pending()[-1]

    def begin(self) -> None:
        """Have the calls to come in one minute: go on when it has some time left."""
        begin_in_one(self.store.client, left=25)

    def close(self, minute: Minute) -> None:
        """Let the minute be over."""
        PublishingState(self.store.client).begin_at(minute)
        self.store.seal(minute)


@pytest.fixture(scope="package")
def system(valkey_server: ServerProcess, kafka_process: ServerProcess) -> Iterator[System]:
    with connect() as client, ExitStack() as stack:
        client.flushall()
        new_topics()
        migrate()
        password = token_urlsafe()
        manage(
            "shell", "--verbosity=0", "--command", f"{LOGIN}.create_superuser('admin', password='{password}')"
        )
        port = free_port()
        server = web(WEB, port, HOME / "web.log")
        worker = Program("celery", "-A", "project", "worker", "--concurrency", "1", log=HOME / "worker.log")
        beat = tally("beat", log=HOME / "beat.log")
        for process in (server, worker, beat):
            stack.enter_context(run(process))
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: is_ready(url), f"web is ready, see {server.log}")
        yield System(url, password, CountStore.known(client), server, beat)


def is_ready(url: str) -> bool:
    """Whether it can accept."""
    try:
        return httpx.get(f"{url}/readyz").is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        reason = "no Chromium on the PATH: install it, for example with apt-get install chromium"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def cookies(browser: Browser, system: System) -> str:
    """The file with the cookies of a signed in admin."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{system.url}/admin/")
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill(system.password)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Pending minutes").wait_for()
        path = str(HOME / "cookies.json")
        context.storage_state(path=path)
    return path


@pytest.fixture
def errors() -> list[str]:
    """What the browser complained about; a test that lets a server go away empties it."""
    return []


@pytest.fixture
def context(browser: Browser, cookies: str, system: System, errors: list[str]) -> Iterator[BrowserContext]:
    """A signed in admin's, in a light theme on a desk; fails if the browser complains."""
    with browser.new_context(
        storage_state=cookies,
        base_url=system.url,
        viewport={"width": 1280, "height": 900},
        color_scheme="light",
    ) as context:
        context.set_default_timeout(WAIT_MS)
        yield context
    assert errors == []


@pytest.fixture
def page(context: BrowserContext, errors: list[str]) -> Page:
    """The console's first page."""
    page = context.new_page()
    page.on("console", lambda message: errors.extend(last_error(message)))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("/admin/")
    return page


def last_error(message: ConsoleMessage) -> list[str]:
    """The message, if it says that something is wrong."""
    return [message.text] if message.type in ("error", "warning") else []
