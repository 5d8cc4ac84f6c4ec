"""The page of the API, offline."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.conftest import WAIT_MS, System, last_error


def test_the_docs_page_works_offline_and_can_make_a_call(browser: Browser, system: System) -> None:
    errors: list[str] = []
    with browser.new_context(base_url=system.url) as context:
        context.set_default_timeout(WAIT_MS)
        context.route(lambda url: not url.startswith(system.url), lambda route: route.abort())
        page = context.new_page()
        page.on("console", lambda message: errors.extend(last_error(message)))
        page.on("requestfailed", lambda request: errors.append(request.url))
        page.goto("/api/docs/")
        for path in ("/api/verve/accept", "/api/v1/accept/", "/api/v1/minutes/", "/readyz"):
            expect(page.locator(f'[data-path="{path}"]').first).to_be_visible(timeout=WAIT_MS)
        call = page.locator("#operations-accepting-accept_batch")
        call.click()
        call.get_by_role("button", name="Try it out").click()
        call.get_by_role("button", name="Execute").click()
        expect(call.locator(".live-responses-table")).to_contain_text('"accepted": 3', timeout=WAIT_MS)
    assert errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everyone_can_read_the_docs_page(
    browser: Browser, system: System, theme: Literal["light", "dark"]
) -> None:
    with browser.new_context(base_url=system.url, color_scheme=theme) as context:
        page = context.new_page()
        page.goto("/api/docs/")
        expect(page.locator('[data-path="/readyz"]').first).to_be_visible(timeout=WAIT_MS)
        found = Axe().run(page)
        bad = [
            each["id"] for each in found.response["violations"] if each["impact"] in ("serious", "critical")
        ]
        assert not bad, found.generate_report()
