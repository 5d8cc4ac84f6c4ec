"""The wheel in an empty virtual environment, away from the checkout: from a call to its record in Kafka."""

import os
import subprocess
import venv
from collections import Counter
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from pytest_django import Settings

from counter.accepting.accept_call import PATH
from counter.version import VERSION
from embedded.kafka import ARCHIVES
from embedded.ports import free_port
from tests.support.processes import BIN, ROOT, START_SECONDS, Process, run, wait_until
from tests.support.reading import id_counts, unique_counts
from tests.support.tally.systems import System

PACKAGES = ("tally", "project", "console", "tasks", "counter", "embedded")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT))
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a virtual environment that has the wheel, at the versions that are tested here."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    pins = ("--constraints", str(ROOT / "requirements-embedded.txt"))
    uv("pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), f"{wheel}[embedded]", *pins)
    share = folder / "share"
    share.mkdir(exist_ok=True)
    (share / "kafka").symlink_to(ARCHIVES)  # or it would be downloaded
    return folder / "bin"


def uv(*arguments: str) -> None:
    subprocess.run([BIN / "uv", *arguments], cwd="/", check=True, capture_output=True)


def test_it_has_every_file_of_the_packages(wheel: Path) -> None:
    files = {path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()}
    assert {str(path.relative_to(ROOT)) for path in files if path.suffix != ".pyc"} <= set(
        ZipFile(wheel).namelist()
    )


def test_it_says_its_version(installed: Path, tmp_path: Path) -> None:
    said = subprocess.check_output([installed / "tally", "--version"], text=True, cwd=tmp_path)
    assert said == f"tally {VERSION}\n"
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.slow
def test_a_minute_from_its_first_call_to_kafka(installed: Path, tmp_path: Path, settings: Settings) -> None:
    ports = {name: str(free_port()) for name in ("PORT", "REDIS_PORT", "KAFKA_PORT")}
    (tmp_path / ".env").write_text("".join(f"{name}={port}\n" for name, port in ports.items()))
    env = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR")}
    command = ["env", "--ignore-environment", f"--chdir={tmp_path}", *map("=".join, env.items())]
    url = f"http://127.0.0.1:{ports['PORT']}"
    with run(Process([*command, str(installed / "tally"), "run"], tmp_path / "log")):
        wait_until(lambda: is_ready(url), f"it accepts calls, see {tmp_path / 'log'}", START_SECONDS)
        for id in (1, 2, 2):
            assert httpx.get(f"{url}{PATH}?id={id}").text == "ok"
        settings.KAFKA_BOOTSTRAP_SERVERS = f"127.0.0.1:{ports['KAFKA_PORT']}"
        System(f"redis://127.0.0.1:{ports['REDIS_PORT']}/0").end_minute()
        subprocess.run([*command, str(installed / "tally"), "publish"], check=True)
        # Of all minutes: another one may have begun between two of the calls.
        assert sum(map(Counter, id_counts().values()), Counter()) == {1: 1, 2: 2}
        assert sum(total for _, _, total in unique_counts()) == 3
        assert httpx.get(f"{url}/admin/login/").is_success
        assert httpx.get(f"{url}/static/console/console.css").is_success
        assert httpx.get(f"{url}/readyz").json()["version"] == VERSION
        assert f'tally_build_info{{version="{VERSION}"}} 1.0' in httpx.get(f"{url}/metrics").text
    assert (tmp_path / ".tally" / "valkey").is_dir()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).is_success
    except httpx.HTTPError:
        return False
