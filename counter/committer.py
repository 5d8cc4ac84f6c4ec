"""Committer: brings one writer's batches into Redis over one connection, each exactly once or not at all."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from redis.asyncio import Connection
from redis.exceptions import NoScriptError, RedisError

from counter import metrics
from counter.batch import (
    DEADLINE_SECONDS,
    HOLD_MILLISECONDS,
    PAUSE_SECONDS,
    REPEATABLE,
    SCRIPT,
    Accepted,
    Batch,
    Unavailable,
    Writer,
    check_held,
)
from counter.connection import ACCEPT_TIMEOUT_SECONDS


class Away(Unavailable):
    """Redis did not answer in time."""


class Committer:
    """For one batch at a time. Belongs to one event loop; `connection` must not repeat commands by itself."""

    def __init__(self, connection: Connection, writer: Writer) -> None:
        self._connection = connection
        self._writer = writer

    async def commit(self, ids: Sequence[int]) -> Accepted:
        """Count 1 to MAX_IDS calls. Raises Unavailable; Away, after its deadline, where Redis is."""
        begin = time.perf_counter()
        try:
            accepted = await self._commit(self._writer.batch(ids))
        except Unavailable:
            metrics.UNAVAILABLE.inc(len(ids))
            raise
        metrics.observe(len(ids), time.perf_counter() - begin)
        return accepted

    async def is_answered(self) -> bool:
        """Whether Redis answers now."""
        try:
            await self._call("PING")
        except (RedisError, TimeoutError):
            return False
        return True

    async def stop(self) -> None:
        """Let go of Redis."""
        await self._connection.disconnect()

    async def _commit(self, batch: Batch) -> Accepted:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DEADLINE_SECONDS
        while True:
            try:
                accepted = await self._send(batch)
            except REPEATABLE as error:
                if loop.time() > deadline:
                    raise Away(str(error)) from error
                await asyncio.sleep(PAUSE_SECONDS)
            except RedisError as error:
                raise Unavailable(str(error)) from error
            else:
                if accepted:
                    return accepted

    async def _send(self, batch: Batch) -> Accepted | None:
        try:
            reply = await self._call("EVALSHA", SCRIPT.sha, len(batch.keys), *batch.keys, *batch.args)
        except NoScriptError:
            await self._call("SCRIPT", "LOAD", SCRIPT.text)
            return None
        if replicas := settings.ACCEPT_REPLICAS:
            # A replica tells the state of its file when it is asked: first let it read the batch.
            await self._call("WAIT", replicas, HOLD_MILLISECONDS)
            check_held(await self._call("WAITAOF", 1, replicas, HOLD_MILLISECONDS))
        return batch.read(reply)

    async def _call(self, *command: str | int) -> Any:
        async with asyncio.timeout(ACCEPT_TIMEOUT_SECONDS):
            await self._connection.send_command(*command)
            return await self._connection.read_response()
