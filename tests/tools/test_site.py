"""The documentation as a site: it builds without a warning, and its reference has all that there is."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from website.links import BrokenLink, of_site

REPOSITORY = "https://example.com/tally"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", "website/mkdocs.yml"]
    done = subprocess.run(
        [*build, "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def text(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", (page / "index.html").read_text()))


def test_its_reference_has_all_that_there_is(site: Path) -> None:
    settings = text(site / "reference" / "settings")
    for name in re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE):
        assert name in settings
    commands = text(site / "reference" / "commands")
    for app in ("counter", "tasks"):
        for module in (ROOT / app / "management" / "commands").glob("[a-z]*.py"):
            assert module.stem in commands
    metrics = text(site / "reference" / "metrics")
    for source in ("ops/prometheus/tally.rules.yml", "ops/grafana/tally.json"):
        for name in re.findall(r"tally_[a-z_]+", (ROOT / source).read_text()):
            assert re.sub(r"_(bucket|sum|count)$", "", name) in metrics, name
    api, topics = text(site / "reference" / "api"), text(site / "reference" / "topics")
    assert "GET /api/verve/accept" in api
    assert "unique-counts" in topics


def test_a_link_leads_to_a_page_or_to_the_repository() -> None:
    told = {
        "index.md": {
            "docs/deploy.md#tls": "deploy.md#tls",
            ".env.example": f"{REPOSITORY}/blob/main/.env.example",
        },
        "bench/levers.md": {"../../README.md": "../index.md", "../scaling.md": "../scaling.md"},
    }
    for page, links in told.items():
        for link, target in links.items():
            assert of_site(f"see [it]({link}).", page, REPOSITORY) == f"see [it]({target})."
    assert of_site("[it](https://example.com)", "index.md", REPOSITORY) == "[it](https://example.com)"
    with pytest.raises(BrokenLink, match=r"README.md: docs/nothing.md"):
        of_site("[it](docs/nothing.md)", "index.md", REPOSITORY)
