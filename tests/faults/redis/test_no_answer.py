"""No call is answered `ok` before Redis has answered: it is stopped, and the answers wait, or are 503."""

import asyncio
import time
from collections import Counter
from signal import SIGCONT, SIGSTOP

import pytest

from counter.redis.clients import connect
from counter.sinks.outcome import Accepted
from counter.sinks.redis.connections import connect_async
from counter.sinks.redis.group_commit import GroupCommit
from tests.support.checker import Calls, verify_waiting
from tests.support.processes import ServerProcess
from tests.support.sinks import recorded

CALLS = range(50)
SECONDS = 2.0
"""By then every call has an answer."""


async def record(batcher: GroupCommit, id: int) -> Accepted | None:
    return await recorded(batcher, id)


async def test_no_call_is_answered_before_redis_has_answered(own_valkey: ServerProcess) -> None:
    batcher = GroupCommit(connect_async)
    await batcher.start()
    assert await recorded(batcher, 0)
    own_valkey.send(SIGSTOP)
    try:
        calls = [asyncio.create_task(record(batcher, id)) for id in CALLS]
        answered, _ = await asyncio.wait(calls, timeout=SECONDS)
    finally:
        own_valkey.send(SIGCONT)
        await batcher.stop()
    assert [call.result() for call in answered] == [None] * len(CALLS)
    with connect() as client:
        verify_waiting(Calls(ok=Counter([0]), unknown=Counter(CALLS)), client)


async def test_a_call_is_answered_once_redis_has_answered(
    own_valkey: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("counter.sinks.redis.delivery.DEADLINE_SECONDS", 30)
    batcher = GroupCommit(connect_async)
    await batcher.start()
    assert await recorded(batcher, 0)
    own_valkey.send(SIGSTOP)
    try:
        calls = [asyncio.create_task(record(batcher, id)) for id in CALLS]
        answered, _ = await asyncio.wait(calls, timeout=1)
        assert not answered
    finally:
        resumed = time.monotonic()
        own_valkey.send(SIGCONT)
    assert all(await asyncio.gather(*calls))
    assert time.monotonic() > resumed
    await batcher.stop()
    with connect() as client:
        verify_waiting(Calls(ok=Counter([0, *CALLS])), client)
