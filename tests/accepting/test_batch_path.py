"""The path in front of Django for batches: how many may wait."""

import asyncio
import json
from typing import Any

import pytest
import redis

from counter.accepting.asgi import Message
from counter.accepting.batches import batch_path
from counter.accepting.batches.batch_call import MAX_CALL_IDS, PATH
from counter.accepting.batches.batch_path import BatchPath
from counter.sinks.redis.async_writer import AsyncWriter
from counter.sinks.redis.connections import connect_async
from counter.store import keys
from counter.store.counts import CountStore

SCOPE = {
    "path": PATH,
    "method": "POST",
    "query_string": b"",
    "headers": [(b"content-type", b"application/json")],
}


class Held(AsyncWriter):
    """Counts nothing until it may."""

    def __init__(self) -> None:
        super().__init__(connect_async(), keys.buckets(1), keeps_replies=True)
        self.may = asyncio.Event()

    async def commit(self, *args: Any) -> None:
        await self.may.wait()
        await super().commit(*args)


async def post(path: BatchPath, ids: range) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps({"ids": list(ids)}).encode()}

    async def send(message: Message) -> None:
        messages.append(message)

    await path(SCOPE, receive, send)
    start, body = messages
    return start["status"], json.loads(body["body"])


async def test_more_batches_than_may_wait_are_refused_at_once(
    valkey: redis.Redis, store: CountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(batch_path, "WAIT_SECONDS", 5)
    sink = Held()
    path = BatchPath(never, [sink])
    waiting = 1 + batch_path.MAX_WAITING_IDS // MAX_CALL_IDS
    begun = [
        asyncio.create_task(post(path, range(n * MAX_CALL_IDS, (n + 1) * MAX_CALL_IDS)))
        for n in range(waiting)
    ]
    await asyncio.sleep(0)
    refused = await post(path, range(-3, 0))
    sink.may.set()
    answers = await asyncio.gather(*begun)
    again = await post(path, range(-3, 0))
    await path.stop()
    assert (refused[0], refused[1]["refused"]) == (503, [-3, -2, -1])
    assert {status for status, _ in answers} == {200}
    assert again[0] == 200
    assert sum(stats.total for stats in store.stats(store.pending())) == waiting * MAX_CALL_IDS + 3
