"""Trial: whether Redis would take a call now. It runs the very script that counts, for a minute long ago.

The script refuses that minute and writes nothing; but first it looks at all that it needs.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import cast

import redis
from django.conf import settings
from redis.exceptions import NoScriptError, RedisError, ResponseError

from counter.counters import counters
from counter.redis.clients import master_of
from counter.sinks.redis.write import SCRIPT, Batch, Writer, is_unopened
from counter.store import keys

OLDEST_REDIS = (7, 0)
"""Its scripts may say in their first line how they are to be run; Valkey's always could."""


def refusal(client: redis.Redis) -> str | None:
    """Why calls for some bucket are refused, None where none are. Raises RedisError where none can tell."""
    routes: dict[redis.Redis, list[Batch]] = defaultdict(list)
    for bucket in keys.places(settings.REDIS_BUCKETS, counters()):
        batch = Writer(bucket=bucket).batch(["-" if bucket.counter else 0])
        routes[master_of(client, bucket.sealed)].append(batch)
    for node, batches in routes.items():
        try:
            _run(node, batches)
        except ResponseError as error:
            return _too_old(node) or f"Redis does not run the script that counts: {error}"
    return None


def _run(node: redis.Redis, batches: Sequence[Batch]) -> None:
    """Raises the first error."""
    replies = _send(node, batches)
    if any(isinstance(reply, NoScriptError) for reply in replies):
        node.script_load(SCRIPT.text)
        replies = _send(node, batches)
    for reply in replies:
        if isinstance(reply, Exception) and not is_unopened(reply):  # its first call opens a counter
            raise reply


def _send(node: redis.Redis, batches: Sequence[Batch]) -> list[object]:
    with node.pipeline(transaction=False) as pipe:
        for batch in batches:
            pipe.evalsha(SCRIPT.sha, len(batch.keys), *batch.keys, *batch.args)
        return pipe.execute(raise_on_error=False)


def _too_old(node: redis.Redis) -> str | None:
    try:
        server = cast("dict[str, str]", node.info("server"))
    except RedisError:
        return None
    version = server["redis_version"]
    if "valkey_version" in server or tuple(map(int, version.split(".")[:2])) >= OLDEST_REDIS:
        return None
    return f"Redis {version} is too old: the oldest that serves is {'.'.join(map(str, OLDEST_REDIS))}"
