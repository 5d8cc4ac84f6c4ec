"""The callers of docs/recipes in other languages: they repeat what is refused, and nothing else."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from counter.accepting.batches.batch_call import PATH
from tests.support.checker import Calls, verify_waiting
from tests.support.needs import program
from tests.support.processes import ROOT, Process, ServerProcess, run, wait_until
from tests.support.tally.web import serving

RECIPES = ROOT / "docs" / "recipes"
LARGE = 2**53 + 1
"""An id that no number of JavaScript's can hold"""

JAVASCRIPT = f"""
import {{ Tally }} from "{RECIPES}/javascript/tally.mjs";
const tally = new Tally(process.argv[2], {{ size: 50 }});
for (let id = 0; id < 200; id++) tally.count(id);
tally.count("{LARGE}");
await tally.flush();
"""

GO = f"""
package main

import (
	"context"
	"log"
	"os"

	"example.com/tally"
)

func main() {{
	client := tally.New(os.Args[1], 1000, func(ids []int64, reason string) {{ log.Fatal(ids, reason) }})
	for id := int64(0); id < 200; id++ {{
		client.Count(context.Background(), id)
	}}
	client.Count(context.Background(), {LARGE})
	client.Close()
}}
"""
MODULE = f"""
module example.com/caller
go 1.21
require example.com/tally v0.0.0
replace example.com/tally => {RECIPES}/go
"""


@pytest.fixture(scope="module")
def url(valkey_process: ServerProcess) -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture(params=["javascript", pytest.param("go", marks=pytest.mark.slow)])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    if request.param == "javascript":
        (tmp_path / "caller.mjs").write_text(JAVASCRIPT)
        return [program("node", "nodejs"), str(tmp_path / "caller.mjs")]
    (tmp_path / "main.go").write_text(GO)
    (tmp_path / "go.mod").write_text(MODULE)
    return [program("go", "golang-go"), "run", "-C", str(tmp_path), "."]


def test_what_is_refused_is_counted_later_and_all_of_it_once(
    command: list[str], url: str, tmp_path: Path, valkey: redis.Redis, valkey_process: ServerProcess
) -> None:
    valkey_process.kill()
    wait_until(lambda: is_refused(url), "calls are refused")
    refused = refusals(url)
    caller = Process([*command, url], tmp_path / "log")
    with run(caller):
        wait_until(lambda: refusals(url) > refused or not caller.is_running(), "its calls are refused")
        valkey_process.start()
        assert caller.wait() == 0, caller.output
    assert not caller.output
    verify_waiting(Calls(ok=Counter([*range(200), LARGE])), valkey)


def is_refused(url: str) -> bool:
    return httpx.post(f"{url}{PATH}", json={"ids": [-1]}).status_code == 503


def refusals(url: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("tally_refused_calls_total"))
