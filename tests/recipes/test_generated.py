"""Linters pass the schema of the API, and clients that are made from it work, in three languages."""

import json
import os
import shutil
import subprocess
import venv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from counter.ids import Id
from tests.support.checker import Calls, verify_waiting
from tests.support.needs import program
from tests.support.processes import ROOT, ServerProcess
from tests.support.tally.web import serving

pytestmark = pytest.mark.slow
FILES = Path(__file__).parent / "generated"
CALLS: Counter[Id] = Counter({2**53 + 1: 1, 43: 2})
"""What each client makes"""

OAPI_CODEGEN = "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.0"


@pytest.fixture(scope="module")
def url(valkey_process: ServerProcess) -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture
def schema(url: str, tmp_path: Path) -> Path:
    return schema_of(url, tmp_path)


def schema_of(url: str, folder: Path) -> Path:
    """A file with it."""
    path = folder / "schema.json"
    path.write_text(json.dumps(httpx.get(f"{url}/api/schema/?format=json").raise_for_status().json()))
    return path


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what package.json names."""
    folder = tmp_path_factory.mktemp("node") / "typescript"
    shutil.copytree(FILES / "typescript", folder)
    run(program("npm", "npm"), "install", "--silent", "--no-fund", "--no-audit", folder=folder)
    return folder


def run(*command: object, folder: Path, **env: str) -> None:
    done = subprocess.run(
        [*map(str, command)], cwd=folder, env=os.environ | env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_linters_find_no_error(schema: Path, node: Path) -> None:
    run("npx", "redocly", "lint", "--config", ROOT / "docs/redocly.yaml", schema, folder=node)
    run("npx", "spectral", "lint", "--fail-severity", "error", schema, folder=node)


def test_a_client_in_typescript(url: str, schema: Path, node: Path, valkey: redis.Redis) -> None:
    run("npx", "openapi-typescript", schema, "-o", "tally.ts", folder=node)
    run("npx", "tsc", folder=node)
    run("node", "main.js", url, folder=node)
    verify_waiting(Calls(ok=CALLS), valkey)


def test_a_client_in_go(url: str, schema: Path, tmp_path: Path, valkey: redis.Redis) -> None:
    go = program("go", "golang-go")
    folder = tmp_path / "go"
    shutil.copytree(FILES / "go", folder)
    (folder / "tally").mkdir()
    options = ("-generate", "types,client", "-package", "tally", "-o", "tally/tally.go", schema)
    run(go, "run", OAPI_CODEGEN, *options, folder=folder, GOFLAGS="-mod=mod")
    run(go, "run", ".", url, folder=folder, GOFLAGS="-mod=mod")
    verify_waiting(Calls(ok=CALLS), valkey)


def test_a_client_in_python(tmp_path: Path, valkey: redis.Redis) -> None:
    """Of a Tally with counters: without, the generator forgets an import."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    files = FILES / "python"
    run(python, "-m", "pip", "install", "--quiet", "-r", files / "requirements.txt", folder=tmp_path)
    generate = ("-m", "openapi_python_client", "generate", "--config", files / "config.yaml")
    with serving(COUNTERS="clicks") as url:
        run(python, *generate, "--path", schema_of(url, tmp_path), "--output-path", "made", folder=tmp_path)
        run(python, files / "main.py", url, folder=tmp_path, PYTHONPATH=str(tmp_path / "made"))
    verify_waiting(Calls(ok=CALLS), valkey)
