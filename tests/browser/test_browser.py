"""What an operator sees. The tests that let something go away come last: healing is slower than seeing."""

import re
from pathlib import Path
from typing import Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from counter.accepting.accept_call import PATH
from counter.journal.failed_callbacks import FailedCallback, FailedCallbacks
from tests.browser.conftest import WAIT_MS, System
from tests.support.processes import ServerProcess
from tests.support.tally.web import manage

expect.set_options(timeout=WAIT_MS)

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
CONTRAST_AND_LABELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]}


def test_its_files_come_from_the_project(system: System) -> None:
    """No debug mode, no collected files, no other server."""
    for name in ("console/live.js", "console/vendor/uPlot.iife.min.js", "admin/css/base.css"):
        assert httpx.get(f"{system.url}/static/{name}").status_code == 200
    assert "StreamingHttpResponse must consume" not in system.web.output


def test_a_minute_from_its_first_call_to_the_history(page: Page, system: System) -> None:
    system.begin()
    page.evaluate("window.sameDocument = true")
    minute = system.accept(*range(50), *range(10))
    row = page.locator(f"#m{minute}")
    expect(row).to_contain_text("open")
    expect(row).to_contain_text("60")
    expect(page.locator(".verdict")).to_contain_text("Counts flow")
    expect(row.locator("polyline")).to_have_count(1)
    system.accept(*range(10))
    expect(row).to_contain_text("70")
    assert page.evaluate("window.sameDocument"), "the page was loaded again"

    system.close(minute)
    page.get_by_role("button", name="Flush now").click()
    expect(page.locator(".outcome")).to_contain_text("Flushed: everything up to")
    expect(row).to_have_count(0)
    expect(page.get_by_role("region", name="Last published")).to_contain_text(f"{minute.start:%H:%M}")

    page.get_by_role("link", name="All published minutes").click()
    page.get_by_role("link", name=f"{minute.start:%Y-%m-%d %H:%M}").click()
    for name, value in {"Unique": "50", "Total": "70"}.items():
        expect(page.get_by_role("region", name=name)).to_contain_text(value)
    top = page.get_by_role("region", name="Top ids, as id-counts has them")
    expect(top.get_by_role("status")).to_have_text("Of all ids.")
    page.get_by_label("How often was the id").fill("7")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("output")).to_contain_text("7 was accepted 3 times")
    page.get_by_label("How often was the id").fill("4711")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("output")).to_contain_text("4711 was accepted 0 times")


def test_one_minute_and_its_ids(page: Page, system: System) -> None:
    system.begin()
    minute = system.accept(7, 7, 7, 8, 8, *range(100, 160))
    page.get_by_role("link", name=f"{minute.start:%H:%M}", exact=True).click()
    top = page.get_by_role("region", name="Top ids")
    expect(top.get_by_role("status")).to_have_text("Of all ids.")
    expect(top.get_by_role("row").nth(1)).to_have_text(re.compile(r"\s*7\s*3\s*"))
    page.get_by_label("How often was the id").fill("8")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("output")).to_contain_text("8 was accepted 2 times")
    all_ids = page.get_by_role("region", name="All ids")
    expect(all_ids.get_by_role("row")).to_have_count(51)
    page.get_by_role("link", name="Next page").click()
    expect(all_ids.get_by_role("row").nth(1)).not_to_contain_text("7")


def test_the_panels_know_who_is_there(page: Page) -> None:
    for name, content in {
        "Redis": "noeviction",
        "Kafka": "127.0.0.1",
        "Beat": "process",
        "Workers": "waits for work",
    }.items():
        panel = page.get_by_role("article", name=name)
        expect(panel).to_contain_text("OK")
        expect(panel).to_contain_text(content)


def test_charts_follow_the_span_and_the_theme(page: Page) -> None:
    expect(page.locator("[data-charts] .u-wrap canvas")).to_have_count(3)
    chart = page.locator("[data-chart=counts] .u-wrap")
    expect(chart).to_have_attribute("aria-label", re.compile("calls at most"))
    for span in ("day", "week"):
        with page.expect_response(f"**/charts/{span}/"):
            page.get_by_label(span).check()
    light = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    pixels = "() => document.querySelector('[data-chart=counts] canvas').toDataURL()"
    before = page.evaluate(pixels)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"before => ({pixels})() !== before", arg=before)
    assert page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor") != light


def test_charts_show_any_range_and_go_back(page: Page) -> None:
    chart = page.locator("[data-chart=counts] .u-over")
    box = chart.bounding_box()
    assert box
    at = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.25, at)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, at, steps=5)
    with page.expect_response(re.compile(r"/charts/\d+-\d+/$")) as seen:
        page.mouse.up()
    since, until = (int(time) for time in seen.value.url.rstrip("/").rpartition("/")[2].split("-"))
    assert until - since == pytest.approx(1800, abs=120)
    expect(page.locator("[name=span]:checked")).to_have_count(0)
    for name, moved in {"Earlier": -0.5, "Later": 0, "Wider": -0.5}.items():
        with page.expect_response(re.compile(r"/charts/\d+-\d+/$")) as seen:
            page.get_by_role("button", name=name).click()
        begin = int(seen.value.url.rstrip("/").rpartition("/")[2].split("-")[0])
        assert begin - since == pytest.approx(moved * (until - since), abs=3), name
    with page.expect_response("**/charts/hour/"):
        for _ in range(4):
            page.go_back()
    expect(page.get_by_label("hour")).to_be_checked()


def test_refused_calls_are_drawn(page: Page, system: System) -> None:
    chart = page.locator("[data-chart=refused] .u-wrap")
    expect(chart).to_have_attribute("aria-label", re.compile("bad call at most 0"))  # drawn from here on
    httpx.get(f"{system.url}{PATH}", params={"id": "x"})
    expect(chart).to_have_attribute("aria-label", re.compile(r"bad call at most 0?\.[1-9]"))
    system.accept(1, 2, 3)
    scripts = page.locator("[data-chart=scripts] .u-wrap")
    expect(scripts).to_have_attribute("aria-label", re.compile(r"p99 at most [0-9.]+, p50 at most"))


def test_everyone_can_read_it(page: Page, system: System) -> None:
    system.begin()
    minute = system.accept(1, 2, 3)
    failed = FailedCallback("http://hooks.example/secret", str(minute), "failed", "status 503")
    FailedCallbacks(system.store.client).note(failed)
    pending, history = "/admin/counter/pendingminute/", "/admin/counter/publishedminute/"
    for url in ("/admin/", f"{pending}{minute}/", f"{pending}callbacks/", history):
        check_reading(page, url)
    system.close(minute)
    manage("publish")
    check_reading(page, f"{history}{minute}/change/?id=1")


def check_reading(page: Page, url: str) -> None:
    """In both themes, on a phone and on a desk."""
    page.goto(url)
    expect(page.get_by_role("status").filter(has_text="…")).to_have_count(0)
    expect(page.get_by_text("Asking …")).to_have_count(0)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 844})
            page.wait_for_function("() => !document.getAnimations().length")  # links change colour slowly
            found = Axe().run(page, context="#content", options=CONTRAST_AND_LABELS)
            assert found.violations_count == 0, f"{theme}, {width}: {found.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_keeps_its_place_while_the_page_refreshes(page: Page, system: System) -> None:
    system.begin()
    minute = system.accept(1)
    link = page.locator(f"#a{minute}")
    link.focus()
    for _ in range(2):
        with page.expect_response("**/live/"):
            pass
    system.accept(2, 3)
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Minute")


def test_it_rests_while_nobody_looks(page: Page) -> None:
    page.get_by_text("Asking …").first.wait_for(state="hidden")
    page.evaluate(
        "Object.defineProperty(document, 'hidden', { get: () => window.isHidden, configurable: true })"
    )
    page.evaluate("window.isHidden = true")
    page.wait_for_timeout(3_000)  # what is under way comes to its end
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(5_000)
    assert asked == []
    page.evaluate("window.isHidden = false")
    with page.expect_response("**/live/"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_the_history_is_taken_along(page: Page, tmp_path: Path) -> None:
    page.get_by_role("link", name="All published minutes").click()
    page.get_by_label("Since", exact=True).fill("2020-01-01T00:00")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    download.value.save_as(tmp_path / "minutes.csv")
    assert (tmp_path / "minutes.csv").read_text().startswith("minute,unique,total,published_at")


def test_signed_out_it_says_so(page: Page) -> None:
    page.context.clear_cookies()
    expect(page.locator("#connection")).to_contain_text("You are signed out")


def test_kafka_away_is_seen_and_its_return(page: Page, system: System, kafka_process: ServerProcess) -> None:
    panel = page.get_by_role("article", name="Kafka")
    expect(panel).to_contain_text("OK")
    kafka_process.kill()
    try:
        expect(page.locator(".verdict")).to_contain_text("Kafka is away")
        expect(panel).to_contain_text("none answers")
        system.accept(1)
    finally:
        kafka_process.start()
    expect(panel).to_contain_text("OK")


def test_redis_away_is_seen_and_its_return(page: Page, system: System, valkey_server: ServerProcess) -> None:
    verdict = page.locator(".verdict")
    valkey_server.kill()
    try:
        expect(verdict).to_contain_text("Redis is away")
        expect(page.get_by_role("article", name="Workers")).to_contain_text("problem")
    finally:
        valkey_server.start()
    expect(verdict).not_to_contain_text("Redis is away")
    system.accept(1)
    expect(verdict).to_contain_text("Counts flow")


def test_the_server_away_is_said_and_its_return(page: Page, system: System, errors: list[str]) -> None:
    connection = page.locator("#connection")
    system.web.kill()
    try:
        expect(connection).to_contain_text("No answer from the server")
    finally:
        system.web.start()
    expect(connection).to_be_empty()
    errors[:] = [error for error in errors if "Failed to load resource" not in error]
