"""The Python client: each id is counted as often as it was, or the client says that it does not know."""

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import httpx
import pytest
import redis
from tally_client import AsyncClient, Client, Closed, Full, Id
from tally_client.client import PATH

from embedded.ports import free_port
from tests.support.checker import Calls, verify_waiting
from tests.support.processes import HOME, ROOT, ServerProcess, run, wait_until
from tests.support.servers.proxy import Cut, Proxy, Towards, proxy_to
from tests.support.tally.web import WEB, serving, web

SOURCE = str(ROOT / "clients" / "python" / "src")


@pytest.fixture(scope="module")
def url(valkey_process: ServerProcess) -> Iterator[str]:
    with serving(COUNTERS="clicks") as url:
        yield url


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    with proxy_to(int(url.rpartition(":")[2])) as proxy:
        yield proxy


class Lost:
    """What a client says that it has lost."""

    def __init__(self) -> None:
        self.ids: Counter[Id] = Counter()
        self.reasons: set[str] = set()

    def __call__(self, ids: Sequence[Id], reason: str) -> None:
        self.ids.update(ids)
        self.reasons.add(reason)


def test_threads_count_and_every_id_is_there_once(url: str, valkey: redis.Redis) -> None:
    with Client(url, size=100) as client:

        def count(numbers: range) -> None:
            for number in numbers:
                client.count(number % 500)

        threads = [threading.Thread(target=count, args=[range(n, n + 1000)]) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.flush()
        assert client.totals.accepted == 4000
    sent: Counter[Id] = Counter(number % 500 for n in range(4) for number in range(n, n + 1000))
    verify_waiting(Calls(ok=sent), valkey)


def test_a_named_counter_has_texts(url: str, valkey: redis.Redis) -> None:
    with Client(url, counter="clicks") as client:
        for id in ("3f9a", "007", "007"):
            client.count(id)
    calls = Calls()
    calls.of("clicks").ok.update({"3f9a": 1, "007": 2})
    verify_waiting(calls, valkey)


async def test_tasks_count(url: str, valkey: redis.Redis) -> None:
    async with AsyncClient(url, size=10) as client:
        await asyncio.gather(*(client.count(number) for number in range(100)))
        assert await client.flush()
        assert client.totals.accepted == 100
    verify_waiting(Calls(ok=Counter(range(100))), valkey)


def test_what_is_refused_is_sent_again_and_nothing_else(
    url: str, valkey: redis.Redis, valkey_process: ServerProcess
) -> None:
    lost = Lost()
    with Client(url, size=50, seconds=0.01, lost=lost) as client:
        for number in range(200):
            client.count(number)
        assert client.flush()
        valkey_process.kill()
        wait_until(lambda: is_refused(url), "calls are refused")
        for number in range(200):
            client.count(number)
        assert not client.flush(1)
        assert client.totals.waiting == 200
        valkey_process.start()
        assert client.flush(60)
    assert not lost.ids
    verify_waiting(Calls(ok=Counter(list(range(200)) * 2)), valkey)


def is_refused(url: str) -> bool:
    return httpx.post(f"{url}{PATH}", json={"ids": [-1]}).status_code == 503


def test_a_call_whose_answer_is_cut_off_is_unknown_and_not_sent_again(
    proxy: Proxy, valkey: redis.Redis
) -> None:
    def cut_answers(towards: Towards, data: bytes) -> bytes:
        if towards is Towards.CLIENT:
            raise Cut
        return data

    lost = Lost()
    with Client(f"http://127.0.0.1:{proxy.port}", lost=lost) as client:
        proxy.rule = cut_answers
        client.count(1)
        assert client.flush()
        assert (client.totals.unknown, client.totals.accepted) == (1, 0)
        proxy.heal()
        client.count(2)
        assert client.flush()
        assert client.totals.accepted == 1
    assert lost.ids == {1: 1}
    verify_waiting(Calls(ok=Counter({2: 1}), unknown=Counter({1: 1})), valkey)


def test_where_nobody_listens_it_waits_and_goes_on(
    valkey_process: ServerProcess, valkey: redis.Redis
) -> None:
    port = free_port()
    with Client(f"http://127.0.0.1:{port}") as client:
        client.count(1)
        assert not client.flush(0.5)
        with run(web(WEB, port, HOME / "web.log")):
            assert client.flush(60)
            assert client.totals.accepted == 1
    verify_waiting(Calls(ok=Counter({1: 1})), valkey)


def test_a_wrong_id_is_rejected_with_the_reason(url: str, valkey: redis.Redis) -> None:
    lost = Lost()
    with Client(url, lost=lost) as client:
        client.count(2**63)
        assert client.flush()
        assert client.totals.rejected == 1
    [reason] = lost.reasons
    assert reason.startswith("400 ")
    assert lost.ids == {2**63: 1}


def test_what_it_holds_is_bounded() -> None:
    lost = Lost()
    client = Client(f"http://127.0.0.1:{free_port()}", capacity=10, lost=lost)
    for number in range(10):
        client.count(number)
    with pytest.raises(Full, match="10 ids wait"):
        client.count(10, timeout=0.1)
    client.close(timeout=0.1)
    assert client.totals.unsent == 10
    assert lost.ids.total() == 10
    with pytest.raises(Closed):
        client.count(11)


def test_the_end_of_a_process_sends_what_waits(url: str, valkey: redis.Redis) -> None:
    code = f"from tally_client import Client; Client({url!r}, seconds=60).count(42)"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": SOURCE}, check=True, timeout=30)
    verify_waiting(Calls(ok=Counter({42: 1})), valkey)
