"""No more requests are worked on at the same time than there may be threads."""

import asyncio

import httpx

from counter.accepting.accept_call import PATH
from counter.accepting.asgi import Receive, Scope, Send, send_answer
from counter.accepting.crowd import MAX_UNDER_WAY, Crowd


async def test_one_more_than_may_be_under_way_is_refused_at_once() -> None:
    over, begun = asyncio.Event(), asyncio.Semaphore(0)

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        begun.release()
        await over.wait()
        await send_answer(200, "text/plain", b"", send)

    transport = httpx.ASGITransport(Crowd(wait))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        requests = [asyncio.create_task(client.get("/")) for _ in range(MAX_UNDER_WAY)]
        for _ in requests:
            await begun.acquire()
        health = asyncio.create_task(client.get("/healthz"))
        await begun.acquire()
        refused = await asyncio.wait_for(client.get("/api/v1/minutes/"), 10)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert (await client.get(PATH)).text == "failed"
        over.set()
        assert (await health).status_code == 200
        assert {answer.status_code for answer in await asyncio.gather(*requests)} == {200}
        assert (await client.get("/")).status_code == 200
