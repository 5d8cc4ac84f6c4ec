"""AsyncWriter: brings groups of calls into Redis over bare connections, each part once or not at all."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

import structlog
from hiredis import pack_command
from redis.asyncio import Connection
from redis.exceptions import NoScriptError, OutOfMemoryError, RedisError, ResponseError

from counter.redis.clients import ACCEPT_TIMEOUT_SECONDS
from counter.redis.replication import unreplicated
from counter.redis.replies import REPEATABLE
from counter.sinks.outcome import Done, Parts
from counter.sinks.redis.connections import Connections
from counter.sinks.redis.delivery import Command, Delivery, Need
from counter.sinks.redis.opening import open_counters
from counter.sinks.redis.write import PAUSE_SECONDS, SCRIPT, Writer
from counter.store.keys import Bucket
from counter.telemetry import tracing

logger = structlog.get_logger(__name__)

LOAD: Command = ("SCRIPT", "LOAD", SCRIPT.text)


class AsyncWriter:
    """For one group at a time. Belongs to one event loop; `nodes` are its own."""

    def __init__(self, nodes: Connections, buckets: Sequence[Bucket], *, keeps_replies: bool = False) -> None:
        self._nodes = nodes
        self._writers = [Writer(keeps_replies, bucket) for bucket in buckets]
        self._full: set[Connection] = set()
        """To nodes that had little memory left when they were last asked."""

    async def commit(self, parts: Parts, done: Done) -> None:
        """Count the parts, and say of each what became of it as soon as that is known.

        It is Unavailable where Redis refused a part, and Away where its node did not answer in time.
        """
        with tracing.current.make("accept.lua", {"tally.calls": sum(map(len, parts.values()))}):
            delivery = Delivery(self._writers, parts, done)
            try:
                await self._deliver(delivery)
            except Exception:
                logger.exception("calls could not be delivered")
                delivery.fail()

    async def _deliver(self, delivery: Delivery) -> None:
        while delivery.left:
            delivery.last_error = None
            await self._send(delivery)
            if delivery.unopened:
                await asyncio.to_thread(open_counters, delivery)
            if delivery.is_overdue:
                delivery.give_up()
            elif delivery.last_error:
                await self._nodes.refresh()
                await asyncio.sleep(PAUSE_SECONDS)

    async def answering(self, numbers: set[int]) -> set[int]:
        """Those of the buckets whose scripts could run now, with replicas enough to hold what they write."""
        # Batches for a minute long ago: the script refuses them, and writes nothing.
        writers = [Writer(bucket=writer.bucket) for writer in self._writers]
        ids: Parts = {number: ["-" if writers[number].bucket.counter else 0] for number in numbers}
        probe = Delivery(writers, ids, lambda *_: None)
        await self._nodes.refresh()
        found: set[int] = set()
        for connection, of_node in self._routes(probe).items():
            replies = await self._call_with_script(connection, probe.commands(of_node))
            scripts, held = replies[: len(of_node)], replies[len(of_node) :]
            if not (held and unreplicated(held[-1])):
                answers = zip(of_node, scripts, strict=True)
                away = (*REPEATABLE, NoScriptError)
                found.update(number for number, reply in answers if not isinstance(reply, away))
            await connection.disconnect()  # or the next probe would not see where the address leads then
        return found

    async def stop(self) -> None:
        """Let go of Redis."""
        await self._nodes.stop()

    async def _send(self, delivery: Delivery) -> None:
        """Once, to all nodes at the same time."""
        routes = self._routes(delivery)
        if len(routes) == 1:  # without a task
            [(connection, numbers)] = routes.items()
            await self._send_to(connection, delivery, numbers)
        else:
            async with asyncio.TaskGroup() as sending:  # none goes on where another one fails
                for node, numbers in routes.items():
                    sending.create_task(self._send_to(node, delivery, numbers))

    def _routes(self, delivery: Delivery) -> dict[Connection, list[int]]:
        """Which of the buckets each node has."""
        routes: dict[Connection, list[int]] = defaultdict(list)
        for number, batch in delivery.left.items():
            try:
                routes[self._nodes.of(batch.writer.bucket)].append(number)
            except RedisError as error:
                delivery.last_error = error
        return routes

    async def _send_to(self, connection: Connection, delivery: Delivery, numbers: list[int]) -> None:
        commands = delivery.commands(numbers, each_asks=connection in self._full)
        replies = await self._call(connection, commands)
        if any(isinstance(reply, OutOfMemoryError) for reply in replies):
            self._full.add(connection)
        else:
            self._full.discard(connection)
        need = delivery.read(numbers, replies)
        if need is Need.SCRIPT:
            [loaded] = await self._call(connection, [LOAD])
            if isinstance(loaded, Exception):
                delivery.last_error = loaded
        elif need is Need.CONNECTION:
            await connection.disconnect()

    async def _call_with_script(self, connection: Connection, commands: list[Command]) -> list[Any]:
        replies = await self._call(connection, commands)
        if any(isinstance(reply, NoScriptError) for reply in replies):
            await self._call(connection, [LOAD])
            replies = await self._call(connection, commands)
        return replies

    async def _call(self, connection: Connection, commands: list[Command]) -> list[Any]:
        """A reply to each command, or the exception instead; a try may take ACCEPT_TIMEOUT_SECONDS."""
        replies: list[Any] = []
        try:
            async with asyncio.timeout(ACCEPT_TIMEOUT_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_packed_command(b"".join(map(_pack, commands)))
                while len(replies) < len(commands):
                    replies.append(await _reply(connection))
        except (RedisError, TimeoutError) as error:  # the connection is lost, and all further replies with it
            replies += [error] * (len(commands) - len(replies))
        return replies


def _pack(command: Command) -> bytes:
    """In C; asyncio's connections do it in Python, five times as slowly."""
    return cast("bytes", pack_command(command))  # type: ignore[arg-type]  # its stub knows tuples of one


async def _reply(connection: Connection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
